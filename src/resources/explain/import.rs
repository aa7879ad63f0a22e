//! Failed imports.

use super::{Caller, address, bucket_name, explain, service};
use crate::oss::{Error, ErrorCode};
use crate::tfplugin::{Diagnostic, ImportTarget};

/// Explains a failed import: the bucket could not be read, or has no rule. `has_region` tells whether the import
/// names a region.
pub(in crate::resources) fn import_error(
    error: &Error,
    target: ImportTarget<'_>,
    has_region: bool,
) -> Diagnostic {
    let bucket = bucket_name(error);
    let Some(service) = error.service_error() else { return other_import_error(error) };
    let line = service::response_line(error, service);
    match &service.code {
        ErrorCode::NoSuchServerSideEncryptionRule => Diagnostic::error(
            format!("Bucket {bucket} has no encryption to import"),
            format!(
                "{line}\n\nThe bucket exists but has no default encryption. Apply without the import to \
                 set the encryption from the configuration."
            ),
        ),
        ErrorCode::NoSuchBucket => Diagnostic::error(
            format!("Bucket {bucket} does not exist"),
            format!(
                "{line}\n\nCheck the name in the import. For a bucket in another account, OSS would \
                 return AccessDenied. The request was sent to {}.",
                error.endpoint,
            ),
        ),
        _ if let Some(region) = error.redirect_region() => Diagnostic::error(
            format!("Bucket {bucket} is in another region"),
            format!(
                "{line}\n\nThe bucket is in {region}. Import it as `{bucket}@{region}`, or with `region = \
                 \"{region}\"` in the identity, and set `region = \"{region}\"` on the resource. \
                 Alternatively, correct the provider's `region` (or `endpoint`, if set)."
            ),
        ),
        _ => {
            let mut diagnostic = other_import_error(error);
            if address::is_signing_region_error(service) {
                let hint = match target {
                    _ if has_region => format!(
                        "The import names region {}, which is not the region of the bucket: correct it.",
                        error.region
                    ),
                    ImportTarget::Id(_) => format!(
                        "To import a bucket of another region, add the region to the import ID, for \
                         example `{bucket}@cn-shanghai`."
                    ),
                    ImportTarget::Identity(_) => {
                        "To import a bucket of another region, add the region to \
                         the identity, for example `region = \"cn-shanghai\"`."
                            .to_owned()
                    }
                };
                diagnostic.detail.push_str("\n\n");
                diagnostic.detail.push_str(&hint);
            }
            diagnostic
        }
    }
}

fn other_import_error(error: &Error) -> Diagnostic {
    // The configuration may not contain the resource yet, so there is no argument to point to.
    Diagnostic { attribute: None, ..explain(error, Caller::Query) }
}
