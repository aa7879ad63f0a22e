//! The buckets of an account, page by page (OSS API reference, `ListBuckets`).

use super::names::Region;
use super::xml::Element;

/// Which buckets to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListBucketsRequest {
    /// Only names that begin with it; empty means all.
    pub prefix: String,
    /// Only names after it, in the order of the alphabet: the `next_marker` of the page before.
    pub marker: Option<String>,
    /// How many at once, 1 to 1000; OSS takes 100 where it is not said.
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
    /// Where it is; none where OSS says something that is no region.
    pub region: Option<Region>,
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
    /// Reads the body of an answer.
    pub(super) fn from_xml(body: &[u8]) -> Result<Self, String> {
        let root = Element::parse(body).map_err(|error| error.to_string())?;
        if root.name != "ListAllMyBucketsResult" {
            return Err(format!("the body is a <{}>, not a <ListAllMyBucketsResult>", root.name));
        }
        // Absent when the whole list fits.
        let is_truncated = root.child_text("IsTruncated").is_some_and(|text| text == "true");
        let next_marker = root.child_text("NextMarker").filter(|_| is_truncated);
        if is_truncated && next_marker.is_none() {
            return Err("the list goes on, but the body has no <NextMarker>".to_owned());
        }
        let buckets = root.child("Buckets").map(|buckets| buckets.children_named("Bucket"));
        let buckets = buckets
            .into_iter()
            .flatten()
            .map(|bucket| {
                let name = bucket.child_text("Name").ok_or("a <Bucket> has no <Name>")?;
                // `Region` is the plain id; `Location` has the `oss-` of host names.
                let location = bucket.child_text("Location");
                let location = location.as_deref().and_then(|text| text.strip_prefix("oss-"));
                let region = bucket.child_text("Region");
                let region = region.as_deref().or(location);
                Ok(Bucket { name, region: region.and_then(|text| Region::parse(text).ok()) })
            })
            .collect::<Result<_, &str>>()?;
        Ok(Self { buckets, next_marker })
    }

    /// Refuses a page that leads back to where it was asked from: the list would never end.
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
    fn a_list_that_could_not_end_is_refused() {
        for (body, expected) in [
            ("<x/>", "the body is a <x>, not a <ListAllMyBucketsResult>"),
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
