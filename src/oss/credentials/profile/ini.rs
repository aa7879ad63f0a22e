//! Recognizes the INI files of other Alibaba Cloud tools, which users name in place of the CLI's JSON file.
//!
//! Source: credentials-go, `profile.go` (sections, types and keys of `~/.alibabacloud/credentials`); ossutil
//! documentation, "Configure ossutil" (`~/.ossutilconfig`).

use std::fmt;

use crate::oss::credentials::response::without_byte_order_mark;

/// An INI file. Its text is what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IniFile {
    /// The tool that reads it; `None` if its keys are of another one.
    pub tool: Option<IniTool>,
    /// What it configures.
    pub kind: IniKind,
}

/// A tool with an INI file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IniTool {
    /// The Alibaba Cloud SDKs.
    Sdks,
    /// ossutil.
    Ossutil,
}

/// What a section of an INI file configures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IniKind {
    /// An AccessKey pair.
    AccessKey,
    /// Temporary credentials.
    Session,
    /// The role of an ECS instance.
    EcsRole,
    /// A role to assume.
    Role,
    /// A role to assume with an OIDC token.
    OidcRole,
    /// Credentials that OSS does not accept.
    Other,
}

impl IniFile {
    /// Recognizes a file by its sections, and its kind by the section `name` or else, as in the SDKs, by
    /// `default`; if there is none, by the first one.
    pub(super) fn recognize(text: &[u8], name: Option<&str>) -> Option<Self> {
        let text = std::str::from_utf8(without_byte_order_mark(text)).ok()?;
        let lines = text.lines().map(str::trim);
        let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
        let mut sections = vec![Section::named(section_name(lines.next()?)?)];
        for line in lines {
            if let Some(name) = section_name(line) {
                sections.push(Section::named(name));
            } else if let (Some((key, value)), Some(section)) =
                (line.split_once('='), sections.last_mut())
            {
                section.entries.push((key.trim(), value.trim()));
            }
        }
        let tool = sections.iter().find_map(Section::tool);
        let name = name.unwrap_or("default");
        let section = sections.iter().find(|section| section.name == name).or(sections.first())?;
        Some(Self { tool, kind: section.kind() })
    }
}

/// The name in a line that begins a section. Lines of a JSON file are not taken for one.
fn section_name(line: &str) -> Option<&str> {
    let name = line.strip_prefix('[')?.strip_suffix(']')?.trim();
    (!name.is_empty() && !name.contains(['"', '{', '[', ','])).then_some(name)
}

struct Section<'t> {
    name: &'t str,
    entries: Vec<(&'t str, &'t str)>,
}

impl<'t> Section<'t> {
    /// ossutil writes `[profile NAME]`.
    fn named(name: &'t str) -> Self {
        let name = name.strip_prefix("profile ").map_or(name, str::trim);
        Self { name, entries: Vec::new() }
    }

    /// Whether one of the keys is set to anything. ossutil ignores their case.
    fn has(&self, keys: &[&str]) -> bool {
        self.entries.iter().any(|(found, value)| {
            !value.is_empty() && keys.iter().any(|key| key.eq_ignore_ascii_case(found))
        })
    }

    fn tool(&self) -> Option<IniTool> {
        if self.has(&["accessKeyID", "accessKeySecret", "stsToken", "roleArn", "ecsAk"]) {
            Some(IniTool::Ossutil)
        } else if self.has(&["type", "access_key_id", "access_key_secret"]) {
            Some(IniTool::Sdks)
        } else {
            None
        }
    }

    fn kind(&self) -> IniKind {
        // `type` of the SDKs, `mode` of ossutil.
        let is_type =
            |key: &str| ["type", "mode"].iter().any(|name| name.eq_ignore_ascii_case(key));
        let kind = self.entries.iter().find(|(key, _)| is_type(key)).map(|(_, value)| *value);
        match kind.map(str::to_ascii_lowercase).as_deref() {
            Some("ecs_ram_role" | "ecsramrole") => IniKind::EcsRole,
            Some("ram_role_arn" | "ramrolearn") => IniKind::Role,
            Some("oidc_role_arn" | "oidc") => IniKind::OidcRole,
            Some("sts" | "ststoken") => IniKind::Session,
            Some("rsa_key_pair" | "bearer") => IniKind::Other,
            _ if self.has(&["roleArn", "role_arn"]) => IniKind::Role,
            _ if self.has(&["ecsAk", "role_name"]) => IniKind::EcsRole,
            _ if self.has(&["stsToken", "security_token"]) => IniKind::Session,
            _ => IniKind::AccessKey,
        }
    }
}

impl fmt::Display for IniFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the file is ")?;
        formatter.write_str(match self.tool {
            Some(IniTool::Ossutil) => "the INI file of ossutil",
            Some(IniTool::Sdks) => "the INI file of the Alibaba Cloud SDKs",
            None => "an INI file",
        })?;
        formatter.write_str(", but the JSON file of the Alibaba Cloud CLI is expected. ")?;
        formatter.write_str(match self.kind {
            IniKind::AccessKey => {
                "Run `aliyun configure`, which writes ~/.aliyun/config.json, or write the credentials \
                 as {\"current\": \"default\", \"profiles\": [{\"name\": \"default\", \"mode\": \"AK\", \
                 \"access_key_id\": \"…\", \"access_key_secret\": \"…\"}]}"
            }
            IniKind::Session => {
                "Run `aliyun configure --mode StsToken`, which writes ~/.aliyun/config.json, or write the \
                 credentials as {\"current\": \"default\", \"profiles\": [{\"name\": \"default\", \"mode\": \
                 \"StsToken\", \"access_key_id\": \"…\", \"access_key_secret\": \"…\", \"sts_token\": \"…\"}]}"
            }
            IniKind::EcsRole => {
                "For the role of the instance set `ecs_role_name` in the provider block instead"
            }
            IniKind::Role => {
                "For its role use an `assume_role` block in the provider block, and a profile of the \
                 CLI for its AccessKey pair"
            }
            IniKind::Other => {
                "Credentials of its type (rsa_key_pair or bearer) are not supported; use a profile of the CLI \
                 of another mode, such as CloudSSO, OIDC or External"
            }
            IniKind::OidcRole => {
                "For its role and OIDC provider use an `assume_role_with_oidc` block in the \
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
        let sdks = "# comment\n\n[ecs]\ntype = ecs_ram_role\nrole_name = r\n[default]\nenable = true\n\
                    type = access_key\naccess_key_id = id\n[role]\ntype=ram_role_arn\n\
                    [pod]\r\ntype = oidc_role_arn\r\n[pair]\ntype = rsa_key_pair\n\
                    [session]\ntype = sts\naccess_key_id = id\nsecurity_token = t\n";
        let ossutil = "[Credentials]\nlanguage=EN\naccessKeyID=id\nstsToken=\n[profile dev]\n\
                       mode = RamRoleArn\naccessKeyId = id\n[profile ci]\nstsToken = t\n\
                       [profile ecs]\nmode=EcsRamRole\n[profile role]\nroleArn=r\n";
        let of = |tool, kind| Some(IniFile { tool, kind });
        let sdks_of = |kind| of(Some(IniTool::Sdks), kind);
        let ossutil_of = |kind| of(Some(IniTool::Ossutil), kind);
        for (text, name, expected) in [
            (sdks, None, sdks_of(IniKind::AccessKey)),
            (sdks, Some("ecs"), sdks_of(IniKind::EcsRole)),
            (sdks, Some("role"), sdks_of(IniKind::Role)),
            (sdks, Some("pod"), sdks_of(IniKind::OidcRole)),
            (sdks, Some("pair"), sdks_of(IniKind::Other)),
            (sdks, Some("session"), sdks_of(IniKind::Session)),
            ("[a]\naccess_key_id=i\nsecurity_token=t", None, sdks_of(IniKind::Session)),
            (ossutil, None, ossutil_of(IniKind::AccessKey)),
            (ossutil, Some("dev"), ossutil_of(IniKind::Role)),
            (ossutil, Some("ci"), ossutil_of(IniKind::Session)),
            (ossutil, Some("ecs"), ossutil_of(IniKind::EcsRole)),
            (ossutil, Some("role"), ossutil_of(IniKind::Role)),
            ("[AkService]\necsAk=http://metadata/r\n", None, ossutil_of(IniKind::EcsRole)),
            ("[default]\naccessKeyId = id\nregion = x\n", None, ossutil_of(IniKind::AccessKey)),
            ("[default]\naws_access_key_id = id\n", None, of(None, IniKind::AccessKey)),
            ("\u{feff}[default]", None, of(None, IniKind::AccessKey)),
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
