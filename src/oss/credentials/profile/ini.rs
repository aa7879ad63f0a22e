//! Recognizes the INI files of other Alibaba Cloud tools, which users name in place of the CLI's JSON file.
//!
//! Source: credentials-go, `profile.go` (sections, types and keys of `~/.alibabacloud/credentials`); ossutil
//! documentation, "Configure ossutil" (`~/.ossutilconfig`).

use std::fmt;

/// An INI file, and what it configures. The text says what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IniFile {
    /// The SDKs' file, with an AccessKey pair.
    AccessKey,
    /// The SDKs' file, with the role of an ECS instance.
    EcsRole,
    /// The SDKs' file, with a role to assume.
    Role,
    /// The SDKs' file, with a role to assume with an OIDC token.
    OidcRole,
    /// The SDKs' file, with credentials that OSS does not accept.
    Other,
    /// The file of ossutil.
    Ossutil,
}

impl IniFile {
    /// Recognizes a file by its sections, and its kind by the section `name` or else the first one.
    pub(super) fn recognize(text: &[u8], name: Option<&str>) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let lines = text.lines().map(str::trim);
        let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
        let section_of = |line: &str| {
            let section = line.strip_prefix('[')?.strip_suffix(']')?.trim().to_owned();
            let is_name = !section.is_empty() && !section.contains(['"', '{', '[', ',']);
            is_name.then_some(section)
        };
        let mut section = section_of(lines.next()?)?;
        let name = name.map_or_else(|| section.clone(), str::to_owned);
        let mut kind = Self::AccessKey;
        for line in lines {
            if let Some(next) = section_of(line) {
                section = next;
                continue;
            }
            let Some((key, value)) = line.split_once('=') else { continue };
            let (key, value) = (key.trim(), value.trim());
            if key.eq_ignore_ascii_case("accessKeyID") {
                return Some(Self::Ossutil);
            }
            if section == name && key == "type" {
                kind = match value {
                    "ecs_ram_role" => Self::EcsRole,
                    "ram_role_arn" => Self::Role,
                    "oidc_role_arn" => Self::OidcRole,
                    "rsa_key_pair" | "bearer" => Self::Other,
                    _ => Self::AccessKey,
                };
            }
        }
        Some(kind)
    }
}

impl fmt::Display for IniFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the file is ")?;
        formatter.write_str(match self {
            Self::Ossutil => "the INI file of ossutil",
            _ => "the INI file of the Alibaba Cloud SDKs",
        })?;
        formatter.write_str(", but the JSON file of the Alibaba Cloud CLI is expected. ")?;
        formatter.write_str(match self {
            Self::AccessKey | Self::Ossutil => {
                "Run `aliyun configure`, which writes ~/.aliyun/config.json, or write the credentials \
                 as {\"current\": \"default\", \"profiles\": [{\"name\": \"default\", \"mode\": \"AK\", \
                 \"access_key_id\": \"…\", \"access_key_secret\": \"…\"}]}"
            }
            Self::EcsRole => "For its role_name set `ecs_role_name` in the provider block instead",
            Self::Role => {
                "For its role_arn use an `assume_role` block in the provider block, and a profile of the \
                 CLI for its AccessKey pair"
            }
            Self::Other => {
                "Credentials of its type (rsa_key_pair or bearer) are not supported; use a profile of the CLI \
                 of another mode, such as CloudSSO, OIDC or External"
            }
            Self::OidcRole => {
                "For its role_arn and oidc_provider_arn use an `assume_role_with_oidc` block in the \
                 provider block instead"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_tools_are_recognized() {
        let sdk = "# comment\n\n[default]\nenable = true\ntype = access_key\naccess_key_id = id\n\
                   [ecs]\ntype = ecs_ram_role\nrole_name = r\n[role]\ntype=ram_role_arn\n\
                   [pod]\r\ntype = oidc_role_arn\r\n[pair]\ntype = rsa_key_pair\n";
        for (text, name, expected) in [
            (sdk, None, Some(IniFile::AccessKey)),
            (sdk, Some("ecs"), Some(IniFile::EcsRole)),
            (sdk, Some("role"), Some(IniFile::Role)),
            (sdk, Some("pod"), Some(IniFile::OidcRole)),
            (sdk, Some("pair"), Some(IniFile::Other)),
            ("[Credentials]\nlanguage=EN\naccessKeyID=id\n", None, Some(IniFile::Ossutil)),
            ("[default]\naccessKeyId = id\nregion = x\n", None, Some(IniFile::Ossutil)),
            ("[default]", None, Some(IniFile::AccessKey)),
            ("[]", None, None),
            ("[{}]", None, None),
            ("[\"a\"]", None, None),
            ("{\"profiles\": []}", None, None),
            ("access_key_id = id", None, None),
            ("", None, None),
        ] {
            assert_eq!(IniFile::recognize(text.as_bytes(), name), expected, "{text:?} {name:?}");
        }
    }
}
