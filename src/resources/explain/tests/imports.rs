//! Diagnostics about imports, queries, and a configuration that is not known yet.

use crate::tfplugin::{ImportTarget, Object};

use super::*;

#[test]
fn imports_and_unknown_configurations() {
    let get = |error| Error { operation: Operation::GetBucketEncryption, ..error };
    let no_rule = "The server side encryption configuration was not found.";
    let wrong_region =
        || returned(400, "InvalidArgument", "Invalid signing region in Authorization header.");
    let identity = Object::default();
    let imported_by_id = |error| import_error(&error, ImportTarget::Id("my-bucket"), false);
    check!([
        imported_by_id(get(returned(404, "NoSuchServerSideEncryptionRule", no_rule))),
        imported_by_id(get(returned(404, "NoSuchBucket", "The bucket does not exist."))),
        imported_by_id(get(error(ErrorKind::Service(Box::new(ServiceError {
            endpoint: Some("oss-cn-shanghai.aliyuncs.com".into()),
            ..service(
                403,
                "AccessDenied",
                "The bucket must be addressed using the specified endpoint."
            )
        }))))),
        imported_by_id(get(wrong_region())),
        import_error(&get(wrong_region()), ImportTarget::Id("my-bucket@cn-beijing"), true),
        import_error(&get(wrong_region()), ImportTarget::Identity(&identity), false),
        imported_by_id(get(error(ErrorKind::DeadlineExceeded { last: None }))),
        list_error(&get(error(ErrorKind::DeadlineExceeded {
            last: Some(Box::new(ErrorKind::Service(Box::new(service(
                503,
                "ServiceUnavailable",
                "Please retry later."
            )))))
        }))),
        unknown_configuration(&["region".to_owned()]),
        unknown_configuration(&["endpoint".to_owned(), "assume_role.role_arn".to_owned()]),
        unknown_configuration(&["region", "endpoint", "profile"].map(str::to_owned)),
    ]);
}
