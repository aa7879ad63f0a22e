//! The buckets of an account, page by page (OSS API reference, `ListBuckets`).

use super::endpoint::Endpoint;
use super::names::Region;
use super::regions;
use super::regions::EndpointType;
use super::xml::Element;

/// Which buckets to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListBucketsRequest {
    /// Prefix of the names; empty for all.
    pub prefix: String,
    /// Returns names after this one, in alphabetical order: the `next_marker` of the previous page.
    pub marker: Option<String>,
    /// Maximum number of buckets in a page, 1 to 1000. Defaults to 100 in OSS.
    pub max_keys: Option<u16>,
}

/// A page of buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPage {
    /// The buckets, of all regions, by name.
    pub buckets: Vec<Bucket>,
    /// The marker for the next page; none on the last one.
    pub next_marker: Option<String>,
}

/// A bucket as the list describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name. Buckets that are older than today's rules may have names that the rules forbid.
    pub name: String,
    /// Its region; `None` if OSS returned something else.
    pub region: Option<Region>,
    /// Where it can be reached.
    pub endpoints: BucketEndpoints,
}

/// The endpoints that a list names for a bucket. They matter where a region has several, which serve
/// different buckets.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BucketEndpoints {
    extranet: Option<Endpoint>,
    intranet: Option<Endpoint>,
}

impl BucketEndpoints {
    /// Reads the hosts of a `<Bucket>`. Requests with credentials are sent there, so only endpoints of OSS
    /// count.
    fn from_xml(bucket: &Element) -> Self {
        let endpoint = |name| {
            let endpoint = Endpoint::parse(&bucket.child_text(name)?).ok()?;
            let is_of_region = endpoint.region().is_some();
            (is_of_region && endpoint == Endpoint::https(endpoint.domain()?.to_owned()))
                .then_some(endpoint)
        };
        Self { extranet: endpoint("ExtranetEndpoint"), intranet: endpoint("IntranetEndpoint") }
    }

    /// The endpoint of this type, if the list names it.
    pub(super) fn get(&self, endpoint_type: EndpointType) -> Option<&Endpoint> {
        match endpoint_type {
            EndpointType::Public => self.extranet.as_ref(),
            EndpointType::Internal => self.intranet.as_ref(),
            EndpointType::Accelerate
            | EndpointType::AccelerateOverseas
            | EndpointType::DualStack => None,
        }
    }
}

impl ListBucketsRequest {
    /// The query, decoded, without what is not set.
    pub(super) fn query(&self) -> Vec<(String, String)> {
        let max_keys = self.max_keys.map(|count| count.to_string());
        [
            ("marker", self.marker.as_deref()),
            ("max-keys", max_keys.as_deref()),
            ("prefix", Some(self.prefix.as_str())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .filter(|(_, value)| !value.is_empty())
        .collect()
    }
}

impl BucketPage {
    /// Parses the body of a response.
    pub(super) fn from_xml(body: &[u8]) -> Result<Self, String> {
        let root = Element::parse(body).map_err(|error| error.to_string())?;
        if root.name != "ListAllMyBucketsResult" {
            return Err(format!(
                "the body is not a <ListAllMyBucketsResult> but a <{}>",
                root.name
            ));
        }
        let next_marker = root.child_text("NextMarker");
        // Absent when the whole list fits. A page that is taken for the last one by mistake hides buckets.
        let is_truncated = match root.child_text("IsTruncated").map(|text| text.to_lowercase()) {
            None => next_marker.is_some(),
            Some(text) if text == "true" => true,
            Some(text) if text == "false" => false,
            Some(_) => return Err("<IsTruncated> is neither true nor false".to_owned()),
        };
        let next_marker = next_marker.filter(|_| is_truncated);
        if is_truncated && next_marker.is_none() {
            return Err("the list goes on, but the body has no <NextMarker>".to_owned());
        }
        let buckets = root
            .children_named("Buckets")
            .flat_map(|buckets| buckets.children_named("Bucket"))
            .map(|bucket| {
                let name = bucket.child_text("Name").ok_or("a <Bucket> has no <Name>")?;
                // `Region` is the plain ID; `Location` has the `oss-` of host names.
                let location = bucket.child_text("Location");
                let location = location.filter(|text| text.starts_with("oss-"));
                let location = bucket.child_text("Region").or(location);
                let region = location.as_deref().and_then(regions::region_of_location);
                Ok(Bucket { name, region, endpoints: BucketEndpoints::from_xml(bucket) })
            })
            .collect::<Result<_, &str>>()?;
        Ok(Self { buckets, next_marker })
    }

    /// The names of the buckets, with the element that they are in.
    pub(super) fn names(&self) -> Vec<(&'static str, &str)> {
        self.buckets.iter().map(|bucket| ("Name", bucket.name.as_str())).collect()
    }

    /// Rejects a page whose marker does not advance: the list would never end.
    pub(super) fn ensure_progress(self, list: &ListBucketsRequest) -> Result<Self, String> {
        match (&list.marker, &self.next_marker) {
            (Some(marker), Some(next)) if next <= marker => {
                Err("the list leads back to buckets that it had already".to_owned())
            }
            _ => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_only_what_is_set() {
        assert_eq!(ListBucketsRequest::default().query(), []);
        let list = ListBucketsRequest {
            prefix: "a/b".to_owned(),
            marker: Some("m".to_owned()),
            max_keys: Some(1000),
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            list.query(),
            [pair("marker", "m"), pair("max-keys", "1000"), pair("prefix", "a/b")]
        );
    }

    #[test]
    fn reads_a_page_and_the_last_one() {
        let page = BucketPage::from_xml(
            b"<?xml version=\"1.0\"?><ListAllMyBucketsResult><Prefix>a</Prefix><Marker></Marker>
              <MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated><NextMarker>ab</NextMarker>
              <Owner><ID>1</ID></Owner><Buckets>
              <Bucket><Name>aa</Name><Location>oss-cn-hangzhou</Location></Bucket>
              <Bucket><Name>ab</Name><Location>oss-x</Location><Region>cn-beijing</Region></Bucket>
              </Buckets></ListAllMyBucketsResult>",
        )
        .unwrap();
        let bucket = |name: &str, region: &str| Bucket {
            name: name.to_owned(),
            region: Region::parse(region).ok(),
            endpoints: BucketEndpoints::default(),
        };
        assert_eq!(page.buckets, [bucket("aa", "cn-hangzhou"), bucket("ab", "cn-beijing")]);
        assert_eq!(page.next_marker.as_deref(), Some("ab"));

        let last = BucketPage::from_xml(
            b"<ListAllMyBucketsResult><Buckets><Bucket><Name>z</Name></Bucket></Buckets>
              </ListAllMyBucketsResult>",
        )
        .unwrap();
        assert_eq!((last.buckets, last.next_marker), (vec![bucket("z", "")], None));
        let empty = BucketPage::from_xml(b"<ListAllMyBucketsResult/>").unwrap();
        assert_eq!((empty.buckets, empty.next_marker), (vec![], None));
    }

    #[test]
    fn no_page_is_taken_for_the_last_one_by_mistake() {
        let page = |elements: &str| {
            let body = format!("<ListAllMyBucketsResult>{elements}</ListAllMyBucketsResult>");
            BucketPage::from_xml(body.as_bytes())
        };
        let next = "<NextMarker>ab</NextMarker>";
        for (is_truncated, expected) in [
            ("", Ok(Some("ab"))),
            ("<IsTruncated/>", Ok(Some("ab"))),
            ("<IsTruncated>true</IsTruncated>", Ok(Some("ab"))),
            ("<IsTruncated> True\n</IsTruncated>", Ok(Some("ab"))),
            ("<IsTruncated>false</IsTruncated>", Ok(None)),
            ("<IsTruncated>FALSE</IsTruncated>", Ok(None)),
            ("<IsTruncated>1</IsTruncated>", Err("<IsTruncated> is neither true nor false")),
        ] {
            let found = page(&format!("{is_truncated}{next}")).map(|page| page.next_marker);
            let expected = expected.map(|next| next.map(str::to_owned)).map_err(str::to_owned);
            assert_eq!(found, expected, "{is_truncated}");
        }
        let two = "<Buckets><Bucket><Name>aa</Name></Bucket></Buckets><Buckets><Bucket><Name>ab</Name>\
                   </Bucket><Bucket><Name>ac</Name></Bucket></Buckets>";
        let names: Vec<String> =
            page(two).unwrap().buckets.into_iter().map(|bucket| bucket.name).collect();
        assert_eq!(names, ["aa", "ab", "ac"]);
    }

    #[test]
    fn a_bucket_is_reached_at_the_endpoint_in_the_list() {
        let bucket = |elements: &str| {
            let body = format!(
                "<ListAllMyBucketsResult><Buckets><Bucket><Name>demo</Name>{elements}</Bucket></Buckets>
                 </ListAllMyBucketsResult>"
            );
            BucketPage::from_xml(body.as_bytes()).unwrap().buckets.remove(0)
        };
        let shown = |bucket: &Bucket, endpoint_type| {
            bucket.endpoints.get(endpoint_type).map(Endpoint::to_config).unwrap_or_default()
        };
        let finance = bucket(
            "<Location>oss-cn-hzjbp</Location>
             <ExtranetEndpoint>oss-cn-hzfinance.aliyuncs.com</ExtranetEndpoint>
             <IntranetEndpoint>oss-cn-hzjbp-b-internal.aliyuncs.com</IntranetEndpoint>",
        );
        assert_eq!(finance.region, Region::parse("cn-hangzhou-finance").ok());
        assert_eq!(shown(&finance, EndpointType::Public), "oss-cn-hzfinance.aliyuncs.com");
        assert_eq!(shown(&finance, EndpointType::Internal), "oss-cn-hzjbp-b-internal.aliyuncs.com");
        assert_eq!(shown(&finance, EndpointType::Accelerate), "");
        // Nothing with credentials goes anywhere else, and nothing without TLS.
        for host in [
            "oss.evil.example",
            "evil.example/oss-cn-hangzhou.aliyuncs.com",
            "http://oss-cn-hangzhou.aliyuncs.com",
            "oss-cn-hangzhou.aliyuncs.com:8443",
            "evil.oss-cn-hangzhou.aliyuncs.com",
            "oss-accelerate.aliyuncs.com",
            "",
        ] {
            let elements = format!("<Region>r</Region><ExtranetEndpoint>{host}</ExtranetEndpoint>");
            assert_eq!(shown(&bucket(&elements), EndpointType::Public), "", "{host}");
        }
    }

    #[test]
    fn a_list_that_could_not_end_is_rejected() {
        for (body, expected) in [
            ("<x/>", "the body is not a <ListAllMyBucketsResult> but a <x>"),
            (
                "<ListAllMyBucketsResult><IsTruncated>true</IsTruncated></ListAllMyBucketsResult>",
                "the list goes on, but the body has no <NextMarker>",
            ),
            (
                "<ListAllMyBucketsResult><Buckets><Bucket/></Buckets></ListAllMyBucketsResult>",
                "a <Bucket> has no <Name>",
            ),
        ] {
            assert_eq!(BucketPage::from_xml(body.as_bytes()), Err(expected.to_owned()));
        }
    }
}
