//! This provider: its arguments, where each may come from, and its resources.
//!
//! Names and order of the environment variables are those that users of the provider
//! `aliyun/alicloud` have in their pipelines; the `OSS_*` names of the OSS tools come last.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use crate::oss::sign::SignatureVersion;
use crate::oss::{AddressStyle, Client, ClientConfig, Credentials, Endpoint, Region};
use crate::resources::{self, Connection};
use crate::tfplugin::{
    Attr, Attribute, Block, Configuration, Diagnostic, Diagnostics, Object, Provider, Resource,
    Schema,
};

/// Families of variables for a key pair: id, secret, token. The first family that has an id or a
/// secret is taken, whole.
const KEY_VARIABLES: [[&str; 3]; 4] = [
    ["ALICLOUD_ACCESS_KEY", "ALICLOUD_SECRET_KEY", "ALICLOUD_SECURITY_TOKEN"],
    [
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        "ALIBABA_CLOUD_SECURITY_TOKEN",
    ],
    ["ALIBABACLOUD_ACCESS_KEY_ID", "ALIBABACLOUD_ACCESS_KEY_SECRET", "ALIBABACLOUD_SECURITY_TOKEN"],
    ["OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"],
];
const REGION_VARIABLES: [&str; 2] = ["ALICLOUD_REGION", "ALIBABA_CLOUD_REGION"];
const ENDPOINT_VARIABLES: [&str; 2] = ["ALIBABA_CLOUD_ENDPOINT_OSS", "OSS_ENDPOINT"];

/// The environment variables, read once at the start of the process.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Keeps the variables that this provider reads, and no others: they may be secrets of others.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let is_read = |name: &String| {
            let keys = KEY_VARIABLES.as_flattened().iter();
            keys.chain(&REGION_VARIABLES).chain(&ENDPOINT_VARIABLES).any(|known| known == name)
        };
        let text = |(name, value): (OsString, OsString)| {
            let name = name.into_string().ok().filter(is_read)?;
            Some((name, value.into_string().ok()?))
        };
        Self(variables.into_iter().filter_map(text).collect())
    }

    /// A variable that is set and not empty.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The first of `names` that is set and not empty, with its name.
    fn first(&self, names: &[&'static str]) -> Option<(&'static str, &str)> {
        names.iter().find_map(|name| Some((*name, self.get(name)?)))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Environment").finish_non_exhaustive()
    }
}

/// The provider `oss`.
#[derive(Debug)]
pub struct Oss {
    environment: Environment,
}

impl Oss {
    /// The provider in a process with this environment.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        Self { environment }
    }
}

impl Provider for Oss {
    type Client = Connection;

    fn schema(&self) -> Schema {
        Schema {
            version: 0,
            block: Block {
                description: "Manages the default server-side encryption of Alibaba Cloud OSS \
                    buckets. It talks to nothing but OSS.",
                attributes: vec![
                    Attribute::optional(
                        "region",
                        "Region of the buckets, for example `cn-hangzhou`. Also \
                         `ALICLOUD_REGION` or `ALIBABA_CLOUD_REGION`; else taken from an endpoint of the form \
                         `oss-{region}[-internal].aliyuncs.com`.",
                    ),
                    Attribute::optional(
                        "endpoint",
                        "Host, `host:port` or URL that requests go to. Also `ALIBABA_CLOUD_ENDPOINT_OSS` or \
                         `OSS_ENDPOINT`; default `https://oss-{region}.aliyuncs.com`.",
                    ),
                    Attribute::optional(
                        "address_style",
                        "Where the bucket stands in the URL: `virtual`, `path`, `cname`, or `auto` (default): \
                         `path` for IP addresses and `localhost`, else `virtual`.",
                    ),
                    Attribute::optional(
                        "signature_version",
                        "`v4` (default), or `v1` for private endpoints that know no other.",
                    ),
                    Attribute::optional(
                        "access_key",
                        "Access key id. Also `ALICLOUD_ACCESS_KEY`, `ALIBABA_CLOUD_ACCESS_KEY_ID`, \
                         `ALIBABACLOUD_ACCESS_KEY_ID` or `OSS_ACCESS_KEY_ID`, each together with its secret.",
                    ),
                    Attribute::optional(
                        "secret_key",
                        "Access key secret. Also `ALICLOUD_SECRET_KEY`, `ALIBABA_CLOUD_ACCESS_KEY_SECRET`, \
                         `ALIBABACLOUD_ACCESS_KEY_SECRET` or `OSS_ACCESS_KEY_SECRET`.",
                    )
                    .sensitive(),
                    Attribute::optional(
                        "security_token",
                        "Token of temporary (STS) keys. Also `ALICLOUD_SECURITY_TOKEN`, \
                         `ALIBABA_CLOUD_SECURITY_TOKEN`, `ALIBABACLOUD_SECURITY_TOKEN` or `OSS_SESSION_TOKEN`.",
                    )
                    .sensitive(),
                ],
                blocks: Vec::new(),
            },
        }
    }

    fn validate(&self, config: &Object) -> Diagnostics {
        let (_, diagnostics) = Arguments::read(config);
        diagnostics
    }

    fn configure(&self, config: &Object, terraform_version: &str) -> Configuration<Connection> {
        let (arguments, mut diagnostics) = Arguments::read(config);
        if diagnostics.has_errors() {
            return Configuration { client: None, diagnostics };
        }
        if !arguments.unknown.is_empty() {
            // An error only if a call needs it.
            let client = Some(Connection::Unknown(arguments.unknown));
            return Configuration { client, diagnostics };
        }
        let client = arguments.complete(&self.environment, &mut diagnostics).map(|mut config| {
            config.user_agent = user_agent(terraform_version);
            Connection::Ready(Box::new(Client::new(config)))
        });
        let client = client.filter(|_| !diagnostics.has_errors());
        Configuration { client, diagnostics }
    }

    fn resources(&self) -> Vec<Box<dyn Resource<Connection>>> {
        resources::all()
    }
}

/// What the provider block says, parsed.
#[derive(Default)]
struct Arguments {
    region: Option<Region>,
    endpoint: Option<Endpoint>,
    address_style: AddressStyle,
    signature_version: SignatureVersion,
    credentials: Option<Credentials>,
    /// Arguments that are not known yet.
    unknown: Vec<&'static str>,
}

impl Arguments {
    /// Parses the provider block, on what is known of it.
    fn read(config: &Object) -> (Self, Diagnostics) {
        let mut diagnostics = Diagnostics::new();
        let mut arguments = Self::default();
        // An empty string is how modules pass an argument on that was not given to them.
        let mut text = |name: &'static str| match config.string(name) {
            Attr::Known(text) => Some(text).filter(|text| !text.is_empty()),
            Attr::Null => None,
            Attr::Unknown => {
                arguments.unknown.push(name);
                None
            }
        };
        let region = text("region");
        let endpoint = text("endpoint");
        let address_style = text("address_style");
        let signature_version = text("signature_version");
        let keys = [text("access_key"), text("secret_key"), text("security_token")];

        arguments.region = region.and_then(|text| parse_region(text, "`region`", &mut diagnostics));
        arguments.endpoint =
            endpoint.and_then(|text| parse_endpoint(text, "`endpoint`", &mut diagnostics));
        match address_style {
            None | Some("auto") => {}
            Some("virtual") => arguments.address_style = AddressStyle::Virtual,
            Some("path") => arguments.address_style = AddressStyle::Path,
            Some("cname") => arguments.address_style = AddressStyle::Cname,
            Some(other) => diagnostics.push(
                Diagnostic::error(
                    "Invalid address style",
                    format!(
                        "`address_style` must be `auto`, `virtual`, `path` or `cname`; got {other:?}."
                    ),
                )
                .at_attribute("address_style"),
            ),
        }
        match signature_version {
            None | Some("v4") => {}
            Some("v1") => arguments.signature_version = SignatureVersion::V1,
            Some(other) => diagnostics.push(
                Diagnostic::error(
                    "Invalid signature version",
                    format!("`signature_version` must be `v4` or `v1`; got {other:?}."),
                )
                .at_attribute("signature_version"),
            ),
        }
        arguments.read_keys(keys, &mut diagnostics);
        (arguments, diagnostics)
    }

    fn read_keys(&mut self, keys: [Option<&str>; 3], diagnostics: &mut Diagnostics) {
        let is_unknown = |name| self.unknown.contains(&name);
        let half_pair = |missing: &str, present: &'static str| {
            Diagnostic::error(
                "Incomplete access key",
                format!(
                    "`{present}` is set in the provider block, but `{missing}` is not. An access \
                     key is taken whole from one place: set both, or neither to use the environment."
                ),
            )
            .at_attribute(present)
        };
        for (name, key) in ["access_key", "secret_key", "security_token"].into_iter().zip(keys) {
            if let Some(diagnostic) = key.and_then(|key| check_key(key, &format!("`{name}`"), name))
            {
                diagnostics.push(diagnostic);
            }
        }
        match keys {
            [Some(id), Some(secret), token] => {
                let mut credentials = Credentials::new(id, secret);
                if let Some(token) = token {
                    credentials = credentials.with_security_token(token);
                }
                self.credentials = Some(credentials);
            }
            [Some(_), None, _] if !is_unknown("secret_key") => {
                diagnostics.push(half_pair("secret_key", "access_key"));
            }
            [None, Some(_), _] if !is_unknown("access_key") => {
                diagnostics.push(half_pair("access_key", "secret_key"));
            }
            [None, None, Some(_)] if !is_unknown("access_key") && !is_unknown("secret_key") => {
                diagnostics.push(
                    Diagnostic::error(
                        "Security token without access key",
                        "`security_token` is set in the provider block, but `access_key` and \
                         `secret_key` are not. A token belongs to one key pair: set all three, or \
                         none to use the environment.",
                    )
                    .at_attribute("security_token"),
                );
            }
            _ => {}
        }
    }

    /// Fills in what the block leaves open from the environment.
    fn complete(
        mut self,
        environment: &Environment,
        diagnostics: &mut Diagnostics,
    ) -> Option<ClientConfig> {
        if self.endpoint.is_none()
            && let Some((name, text)) = environment.first(&ENDPOINT_VARIABLES)
        {
            self.endpoint = Some(parse_endpoint(text, name, diagnostics)?);
        }
        if self.region.is_none()
            && let Some((name, text)) = environment.first(&REGION_VARIABLES)
        {
            self.region = Some(parse_region(text, name, diagnostics)?);
        }
        if self.region.is_none() {
            self.region = self.endpoint.as_ref().and_then(Endpoint::region);
        }
        if self.credentials.is_none() {
            self.credentials = credentials_from(environment, diagnostics);
        }
        self.check(diagnostics);
        Some(ClientConfig {
            region: self.region,
            endpoint: self.endpoint,
            address_style: self.address_style,
            signature_version: self.signature_version,
            credentials: self.credentials,
            ..ClientConfig::default()
        })
    }

    /// Checks what only the whole can tell.
    fn check(&self, diagnostics: &mut Diagnostics) {
        let signs_no_region = self.signature_version == SignatureVersion::V1;
        if self.region.is_none() && !(signs_no_region && self.endpoint.is_some()) {
            let ways = "Set `region` in the provider block, or the environment variable \
                 ALIBABA_CLOUD_REGION (or ALICLOUD_REGION), or use an `endpoint` of the form \
                 oss-cn-hangzhou.aliyuncs.com, which tells the region. A resource may then name \
                 another `region` of its own.";
            diagnostics.push(
                Diagnostic::error(
                    "Missing region",
                    format!("Requests are signed for a region, and none is configured. {ways}"),
                )
                .at_attribute("region"),
            );
        }
        if let Some(endpoint) = &self.endpoint {
            if endpoint.is_insecure() {
                diagnostics.push(
                    Diagnostic::warning(
                        "Unencrypted endpoint",
                        format!(
                            "Requests to {endpoint} are not protected by TLS: everyone on the way \
                             can read and change them. Use https://, unless this is a test."
                        ),
                    )
                    .at_attribute("endpoint"),
                );
            }
            if self.address_style == AddressStyle::Virtual && endpoint.is_ip_address() {
                diagnostics.push(
                    Diagnostic::error(
                        "Impossible address style",
                        format!(
                            "`virtual` puts the bucket in front of a host name, and {endpoint} is \
                             an IP address. Use `path`, or leave `address_style` out."
                        ),
                    )
                    .at_attribute("address_style"),
                );
            }
        } else if self.address_style == AddressStyle::Cname {
            diagnostics.push(
                Diagnostic::error(
                    "Missing endpoint",
                    "`address_style = \"cname\"` needs the custom domain as `endpoint`.",
                )
                .at_attribute("address_style"),
            );
        }
    }
}

/// The first key family that is set, whole.
fn credentials_from(
    environment: &Environment,
    diagnostics: &mut Diagnostics,
) -> Option<Credentials> {
    for [id_name, secret_name, token_name] in KEY_VARIABLES {
        let (missing, present) = match (environment.get(id_name), environment.get(secret_name)) {
            (None, None) => continue,
            (Some(id), Some(secret)) => {
                let token = environment.get(token_name);
                for (name, key, attribute) in [
                    (id_name, Some(id), "access_key"),
                    (secret_name, Some(secret), "secret_key"),
                    (token_name, token, "security_token"),
                ] {
                    if let Some(problem) = key.and_then(|key| check_key(key, name, attribute)) {
                        diagnostics.push(problem);
                    }
                }
                let credentials = Credentials::new(id, secret);
                return Some(match token {
                    Some(token) => credentials.with_security_token(token),
                    None => credentials,
                });
            }
            (Some(_), None) => (secret_name, id_name),
            (None, Some(_)) => (id_name, secret_name),
        };
        let attribute = if present == id_name { "access_key" } else { "secret_key" };
        diagnostics.push(
            Diagnostic::error(
                "Incomplete access key",
                format!(
                    "The environment variable {present} is set, but {missing} is not. An access \
                     key is taken whole from one place: set both, or neither."
                ),
            )
            .at_attribute(attribute),
        );
        return None;
    }
    None
}

/// A key with white space or control characters is a copying mistake that OSS would only call a wrong
/// signature. The key itself is not repeated.
fn check_key(key: &str, source: &str, attribute: &str) -> Option<Diagnostic> {
    let is_odd = |c: char| c.is_whitespace() || c.is_control();
    key.contains(is_odd).then(|| {
        Diagnostic::error(
            "Invalid access key",
            format!(
                "{source} contains white space or a line break, which no key has. A value that is \
                 read from a file often ends in a line break: `trimspace(file(…))` removes it."
            ),
        )
        .at_attribute(attribute)
    })
}

fn parse_region(text: &str, source: &str, diagnostics: &mut Diagnostics) -> Option<Region> {
    let invalid = |error| {
        Diagnostic::error("Invalid region", format!("{source} {error}; got {text:?}."))
            .at_attribute("region")
    };
    Region::parse(text).map_err(|error| diagnostics.push(invalid(error))).ok()
}

fn parse_endpoint(text: &str, source: &str, diagnostics: &mut Diagnostics) -> Option<Endpoint> {
    // What stands before an @ may be a password.
    let shown =
        if text.contains('@') { "a URL with a user".to_owned() } else { format!("{text:?}") };
    let invalid = |error| {
        Diagnostic::error("Invalid endpoint", format!("{source} {error}; got {shown}."))
            .at_attribute("endpoint")
    };
    Endpoint::parse(text).map_err(|error| diagnostics.push(invalid(error))).ok()
}

/// Who calls: this provider, Terraform, and the platform.
fn user_agent(terraform_version: &str) -> String {
    let is_safe = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    let terraform_version: String = terraform_version.chars().filter(is_safe).collect();
    format!(
        "terraform-provider-oss/{} Terraform/{terraform_version} ({}; {})",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
    )
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    /// Key id, whether there is a token, region and endpoint that come of block and environment.
    fn resolved(block: &[(&str, &str)], environment: &[(&str, &str)]) -> [String; 4] {
        let block =
            block.iter().fold(Object::new(), |block, (name, value)| block.with(name, *value));
        let variables = environment.iter().map(|(name, value)| (name.into(), value.into()));
        let (arguments, mut diagnostics) = Arguments::read(&block);
        let config = arguments.complete(&Environment::new(variables), &mut diagnostics).unwrap();
        let credentials = config.credentials.unwrap_or_else(|| Credentials::new("", ""));
        let token = credentials.security_token.map(|token| token.expose_secret().to_owned());
        [
            credentials.access_key_id,
            token.unwrap_or_default(),
            config.region.map(|region| region.to_string()).unwrap_or_default(),
            config.endpoint.map(|endpoint| endpoint.to_string()).unwrap_or_default(),
        ]
    }

    #[test]
    fn key_families_are_taken_whole_and_in_order() {
        let families: Vec<(&str, &str)> = KEY_VARIABLES
            .iter()
            .flat_map(|[id, secret, token]| [(*id, *id), (*secret, "secret"), (*token, *token)])
            .collect();
        for index in 0..KEY_VARIABLES.len() {
            let [id, .., token] = KEY_VARIABLES[index];
            let [found_id, found_token, ..] = resolved(&[], &families[index * 3..]);
            assert_eq!((found_id.as_str(), found_token.as_str()), (id, token));
        }
        // A token of another family does not join a key.
        let mixed = [
            ("ALICLOUD_ACCESS_KEY", "id"),
            ("ALICLOUD_SECRET_KEY", "secret"),
            ("ALIBABA_CLOUD_SECURITY_TOKEN", "token"),
        ];
        assert_eq!(resolved(&[], &mixed)[..2], ["id", ""]);
        // The block wins over every variable, and takes no token from one.
        let block = [("access_key", "mine"), ("secret_key", "secret")];
        assert_eq!(resolved(&block, &families)[..2], ["mine", ""]);
        // Empty is as good as not set.
        assert_eq!(resolved(&[], &[("ALICLOUD_ACCESS_KEY", ""), ("OSS_ACCESS_KEY_ID", "")])[0], "");
    }

    #[test]
    fn region_and_endpoint_come_from_the_first_place_that_has_them() {
        let all = [
            ("ALICLOUD_REGION", "first"),
            ("ALIBABA_CLOUD_REGION", "second"),
            ("ALIBABA_CLOUD_ENDPOINT_OSS", "one.example"),
            ("OSS_ENDPOINT", "two.example"),
        ];
        let of = |block: &[(&str, &str)], environment: &[(&str, &str)]| {
            let [.., region, endpoint] = resolved(block, environment);
            format!("{region} {endpoint}")
        };
        assert_eq!(of(&[], &all), "first https://one.example");
        assert_eq!(of(&[], &all[1..]), "second https://one.example");
        assert_eq!(of(&[], &all[3..]), " https://two.example");
        assert_eq!(of(&[("region", "mine")], &all), "mine https://one.example");
        let official = [("endpoint", "oss-cn-beijing.aliyuncs.com")];
        assert_eq!(of(&official, &[]), "cn-beijing https://oss-cn-beijing.aliyuncs.com");
        assert_eq!(of(&official, &all[..1]), "first https://oss-cn-beijing.aliyuncs.com");
    }

    #[test]
    fn variables_of_others_are_not_kept() {
        let environment = Environment::new([
            ("CI_SECRET".into(), "x".into()),
            ("OSS_ENDPOINT".into(), "y".into()),
        ]);
        assert_eq!(environment.0.len(), 1);
    }
}
