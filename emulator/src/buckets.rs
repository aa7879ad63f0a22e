//! The bodies of operations on buckets as such, such as `ListBuckets` and `GetBucketInfo`.
//!
//! Follows the pages of the operations and the SDKs' live tests. Properties that the emulator does
//! not implement (dates, storage classes, the owner's name) are the same for every bucket.

use super::error::ServiceError;
use super::regions;
use super::request::Request;
use super::rule::EncryptionRule;
use super::xml::Element;

/// The account that owns all buckets.
const OWNER_ID: &str = "1234567890123456";

const CREATION_DATE: &str = "2013-07-31T10:56:21.000Z";

/// The query parameters of `ListBuckets` that the emulator implements. Tags and resource groups are
/// rejected rather than ignored.
pub(super) const LIST_PARAMETERS: [&str; 3] = ["prefix", "marker", "max-keys"];

/// Rejects configurations of new buckets that the emulator does not implement. The body may be empty
/// (page `PutBucket`).
pub(super) fn check_configuration(body: &[u8]) -> Result<(), ServiceError> {
    if body.is_empty() {
        return Ok(());
    }
    let configuration =
        Element::parse(body).filter(|root| root.name == "CreateBucketConfiguration");
    let configuration = configuration.ok_or_else(ServiceError::malformed_xml)?;
    for (name, known) in [("StorageClass", "Standard"), ("DataRedundancyType", "LRS")] {
        let value = configuration.child(name).map(Element::text).unwrap_or_default();
        if !value.is_empty() && value != known {
            let message = format!("The emulator does not implement the {name} {value}.");
            return Err(ServiceError::new(400, "NotImplemented", message).detail("Header", name));
        }
    }
    Ok(())
}

/// The number of entries that a list request asks for.
pub(super) fn max_keys(request: &Request) -> Result<usize, ServiceError> {
    let Some(text) = request.query_value("max-keys") else { return Ok(100) };
    let number = text.parse().ok().filter(|number| (1..=1000).contains(number));
    number.ok_or_else(|| {
        let message = "Argument max-keys must be an integer between 1 and 1000.";
        ServiceError::invalid_argument(message)
            .detail("ArgumentName", "max-keys")
            .detail("ArgumentValue", text)
    })
}

/// A list request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ListBucketsRequest {
    prefix: String,
    marker: String,
    max_keys: usize,
    /// Whether any of these parameters was in the request.
    has_parameters: bool,
}

impl ListBucketsRequest {
    pub(super) fn of(request: &Request) -> Result<Self, ServiceError> {
        let value = |name| request.query_value(name).unwrap_or_default().to_owned();
        let max_keys = max_keys(request)?;
        let has_parameters = LIST_PARAMETERS.iter().any(|name| request.has_query(name));
        Ok(Self { prefix: value("prefix"), marker: value("marker"), max_keys, has_parameters })
    }

    /// The response body for these buckets (name and region), which must be sorted by name.
    pub(super) fn to_xml<'b>(&self, buckets: impl Iterator<Item = (&'b str, &'b str)>) -> Element {
        let mut found = buckets
            .filter(|(name, _)| name.starts_with(&self.prefix) && *name > self.marker.as_str());
        let page: Vec<_> = found.by_ref().take(self.max_keys).collect();
        let is_truncated = found.next().is_some();
        let mut result = Element::new("ListAllMyBucketsResult");
        // The page says that these are absent if all buckets are returned, and shows them in
        // responses to filtered requests that return all matches. That parameters matter, and not
        // only truncation, is a guess.
        if is_truncated || self.has_parameters {
            result = result
                .with(Element::of_text("Prefix", &self.prefix))
                .with(Element::of_text("Marker", &self.marker))
                .with(Element::of_text("MaxKeys", &self.max_keys.to_string()))
                .with(Element::of_text("IsTruncated", &is_truncated.to_string()));
        }
        if let Some((last, _)) = page.last().filter(|_| is_truncated) {
            result = result.with(Element::of_text("NextMarker", last));
        }
        let buckets = page.into_iter().fold(Element::new("Buckets"), |buckets, (name, region)| {
            buckets.with(describe(Element::new("Bucket"), name, region))
        });
        result.with(owner()).with(buckets)
    }
}

/// The body of `GetBucketInfo`. Unlike in `GetBucketEncryption`, its rule is flat, the algorithm is
/// `None` if there is no rule, and the key ID is empty for the default CMK (oss2
/// `test_bucket_info`, Go V2 `GetBucketInfo`).
pub(super) fn info(name: &str, region: &str, rule: Option<&EncryptionRule>) -> Element {
    let mut encryption = Element::new("ServerSideEncryptionRule");
    let algorithm = rule.map_or("None", |rule| rule.sse_algorithm.as_str());
    encryption = encryption.with(Element::of_text("SSEAlgorithm", algorithm));
    if let Some(rule) = rule.filter(|rule| rule.sse_algorithm == "KMS") {
        let key = rule.kms_master_key_id.as_deref().unwrap_or_default();
        encryption = encryption.with(Element::of_text("KMSMasterKeyID", key));
        if let Some(cipher) = &rule.kms_data_encryption {
            encryption = encryption.with(Element::of_text("KMSDataEncryption", cipher));
        }
    }
    let access = Element::new("AccessControlList").with(Element::of_text("Grant", "private"));
    let bucket =
        describe(Element::new("Bucket"), name, region).with(owner()).with(access).with(encryption);
    Element::new("BucketInfo").with(bucket)
}

/// The body of `GetBucketAcl`: all buckets are private.
pub(super) fn access() -> Element {
    let access = Element::new("AccessControlList").with(Element::of_text("Grant", "private"));
    Element::new("AccessControlPolicy").with(owner()).with(access)
}

fn describe(bucket: Element, name: &str, region: &str) -> Element {
    let (location, [extranet, intranet]) = (format!("oss-{region}"), regions::hosts_of(region));
    bucket
        .with(Element::of_text("Name", name))
        .with(Element::of_text("Location", &location))
        .with(Element::of_text("Region", regions::region_of(region)))
        .with(Element::of_text("CreationDate", CREATION_DATE))
        .with(Element::of_text("ExtranetEndpoint", &extranet))
        .with(Element::of_text("IntranetEndpoint", &intranet))
        .with(Element::of_text("StorageClass", "Standard"))
}

pub(super) fn owner() -> Element {
    Element::new("Owner")
        .with(Element::of_text("ID", OWNER_ID))
        .with(Element::of_text("DisplayName", OWNER_ID))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::parse_query;

    const BUCKETS: [(&str, &str); 4] = [
        ("alpha", "cn-hangzhou"),
        ("beta-1", "cn-beijing"),
        ("beta-2", "cn-hangzhou"),
        ("gamma", "us-west-1"),
    ];

    fn listing(query: &str) -> Result<ListBucketsRequest, ServiceError> {
        ListBucketsRequest::of(&Request { query: parse_query(query), ..Request::default() })
    }

    fn list(query: &str) -> String {
        let xml = listing(query).unwrap().to_xml(BUCKETS.into_iter());
        String::from_utf8(xml.to_document()).unwrap()
    }

    fn names(body: &str) -> Vec<&str> {
        let rest = body.split("<Name>").skip(1);
        rest.map(|rest| rest.split("</Name>").next().unwrap()).collect()
    }

    #[test]
    fn a_complete_list_has_buckets_of_all_regions_and_no_paging() {
        let body = list("");
        assert_eq!(names(&body), ["alpha", "beta-1", "beta-2", "gamma"]);
        assert!(
            body.contains(
                "<ListAllMyBucketsResult><Owner><ID>1234567890123456</ID>\
                 <DisplayName>1234567890123456</DisplayName></Owner><Buckets><Bucket>\
                 <Name>alpha</Name><Location>oss-cn-hangzhou</Location>\
                 <Region>cn-hangzhou</Region><CreationDate>2013-07-31T10:56:21.000Z</CreationDate>\
                 <ExtranetEndpoint>oss-cn-hangzhou.aliyuncs.com</ExtranetEndpoint>\
                 <IntranetEndpoint>oss-cn-hangzhou-internal.aliyuncs.com</IntranetEndpoint>\
                 <StorageClass>Standard</StorageClass></Bucket>"
            ),
            "{body}"
        );
        assert!(body.contains("<Location>oss-us-west-1</Location>"), "{body}");
    }

    #[test]
    fn a_list_is_filtered_and_paged() {
        for (query, expected, page) in [
            (
                "prefix=beta",
                &["beta-1", "beta-2"][..],
                "<Prefix>beta</Prefix><Marker></Marker><MaxKeys>100</MaxKeys>\
                 <IsTruncated>false</IsTruncated><Owner>",
            ),
            (
                "max-keys=2",
                &["alpha", "beta-1"],
                "<Prefix></Prefix><Marker></Marker><MaxKeys>2</MaxKeys>\
                 <IsTruncated>true</IsTruncated><NextMarker>beta-1</NextMarker><Owner>",
            ),
            (
                "max-keys=2&marker=beta-1",
                &["beta-2", "gamma"],
                "<Prefix></Prefix><Marker>beta-1</Marker><MaxKeys>2</MaxKeys>\
                 <IsTruncated>false</IsTruncated><Owner>",
            ),
            (
                "prefix=beta&marker=alpha&max-keys=1",
                &["beta-1"],
                "<IsTruncated>true</IsTruncated><NextMarker>beta-1</NextMarker><Owner>",
            ),
            ("marker=zeta", &[], "<Marker>zeta</Marker>"),
            ("max-keys=1000", &["alpha", "beta-1", "beta-2", "gamma"], "<MaxKeys>1000</MaxKeys>"),
        ] {
            let body = list(query);
            assert_eq!(names(&body), expected, "{query}");
            assert!(body.contains(page), "{query}: {body}");
        }
    }

    #[test]
    fn a_page_has_a_hundred_buckets_by_default() {
        let names: Vec<String> = (0..101).map(|number| format!("bucket-{number:03}")).collect();
        let buckets = || names.iter().map(|name| (name.as_str(), "cn-hangzhou"));
        let xml = listing("").unwrap().to_xml(buckets());
        let body = String::from_utf8(xml.to_document()).unwrap();
        assert!(body.contains("<NextMarker>bucket-099</NextMarker>"), "{body}");
    }

    #[test]
    fn the_page_size_is_validated() {
        for text in ["0", "1001", "-1", "", "many"] {
            let error = listing(&format!("max-keys={text}")).unwrap_err();
            assert_eq!((error.status, &*error.code), (400, "InvalidArgument"), "{text}");
            let body = String::from_utf8(error.to_response("", "").body).unwrap();
            let value = format!("<ArgumentValue>{text}</ArgumentValue>");
            assert!(body.contains("<ArgumentName>max-keys</ArgumentName>"), "{body}");
            assert!(body.contains(&value), "{body}");
        }
    }

    #[test]
    fn unsupported_bucket_configurations_are_rejected() {
        let check = |inner: &str| {
            let body = format!("<CreateBucketConfiguration>{inner}</CreateBucketConfiguration>");
            check_configuration(body.as_bytes()).map_err(|error| error.code)
        };
        assert_eq!(check_configuration(b""), Ok(()));
        for inner in [
            "",
            "<StorageClass/>",
            "<StorageClass>Standard</StorageClass><DataRedundancyType>LRS</DataRedundancyType>",
        ] {
            assert_eq!(check(inner), Ok(()), "{inner}");
        }
        for inner in [
            "<StorageClass>IA</StorageClass>",
            "<StorageClass>Standard</StorageClass><DataRedundancyType>ZRS</DataRedundancyType>",
        ] {
            assert_eq!(check(inner), Err("NotImplemented".into()), "{inner}");
        }
        for body in ["<CreateBucketConfiguration>", "<Other/>", "text"] {
            let error = check_configuration(body.as_bytes()).unwrap_err();
            assert_eq!((error.status, &*error.code), (400, "MalformedXML"), "{body}");
        }
    }

    #[test]
    fn bucket_info_has_the_rule_in_flat_form() {
        let mut with_key = EncryptionRule::new("KMS");
        with_key.kms_master_key_id = Some("123".to_owned());
        with_key.kms_data_encryption = Some("SM4".to_owned());
        for (rule, expected) in [
            (None, "<SSEAlgorithm>None</SSEAlgorithm>"),
            (Some(EncryptionRule::new("AES256")), "<SSEAlgorithm>AES256</SSEAlgorithm>"),
            (
                Some(EncryptionRule::new("KMS")),
                "<SSEAlgorithm>KMS</SSEAlgorithm><KMSMasterKeyID></KMSMasterKeyID>",
            ),
            (
                Some(with_key),
                "<SSEAlgorithm>KMS</SSEAlgorithm><KMSMasterKeyID>123</KMSMasterKeyID>\
                 <KMSDataEncryption>SM4</KMSDataEncryption>",
            ),
        ] {
            let xml = info("demo", "cn-beijing", rule.as_ref());
            let body = String::from_utf8(xml.to_document()).unwrap();
            let rule =
                format!("<ServerSideEncryptionRule>{expected}</ServerSideEncryptionRule></Bucket>");
            assert!(body.contains(&rule), "{body}");
            assert!(body.contains("<BucketInfo><Bucket><Name>demo</Name>"), "{body}");
        }
    }
}
