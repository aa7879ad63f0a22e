//! Diagnostics about profiles of the Alibaba Cloud CLI, and about what is half configured.

use crate::oss::credentials::{IniFile, IniKind, IniTool, Mode, TokenMismatch};

use super::*;

#[test]
fn profile_errors() {
    let text = |text: &str| text.to_owned();
    let profile = "profile \"ci\" of /home/ci/.aliyun/config.json";
    let ini = |tool, kind| {
        let file = IniFile { tool, kind };
        credentials(profile, CredentialsErrorKind::Profile(ProfileError::Ini(file)))
    };
    let process = "profile \"ci\" of /home/ci/.aliyun/config.json (its external process)";
    check!(
        [
            ini(Some(IniTool::Sdks), IniKind::AccessKey),
            ini(Some(IniTool::Sdks), IniKind::Session),
            ini(Some(IniTool::Sdks), IniKind::EcsRole),
            ini(Some(IniTool::Sdks), IniKind::Role),
            ini(Some(IniTool::Sdks), IniKind::OidcRole),
            ini(Some(IniTool::Sdks), IniKind::Other),
            ini(Some(IniTool::Ossutil), IniKind::AccessKey),
            ini(None, IniKind::AccessKey),
            credentials(
                profile,
                CredentialsErrorKind::Profile(ProfileError::NoCredentials(text("ci")))
            ),
            credentials(
                profile,
                CredentialsErrorKind::Profile(ProfileError::Invalid {
                    profile: text("ci"),
                    key: "source_profile",
                    must: text("must name a profile of the file, which has no \"base\""),
                }),
            ),
            credentials("the role of this ECS instance", CredentialsErrorKind::MetadataDisabled),
            credentials(
                profile,
                CredentialsErrorKind::Profile(ProfileError::Disabled {
                    profile: text("ci"),
                    mode: Mode::External,
                }),
            ),
            credentials(
                profile,
                CredentialsErrorKind::Login {
                    profile: text("ci"),
                    mode: Mode::CloudSso,
                    error: None,
                },
            ),
            credentials(
                profile,
                CredentialsErrorKind::Login {
                    profile: text("my profile"),
                    mode: Mode::OAuth,
                    error: Some(Box::new(sts_response(400, "invalid_grant", "Not valid."))),
                },
            ),
            credentials(process, CredentialsErrorKind::Token(TokenMismatch::Missing)),
            credentials(process, CredentialsErrorKind::Token(TokenMismatch::Unexpected)),
            credentials(
                "the current profile of /home/ci/.aliyun/config.json",
                CredentialsErrorKind::NotConfigured { hint: None, skipped: None },
            ),
            credentials(
                "the current profile of ",
                CredentialsErrorKind::NotConfigured {
                    hint: None,
                    skipped: Some(text(
                        "the environment variable ALIBABA_CLOUD_CLI_PROFILE_DISABLED is set"
                    )),
                },
            ),
            credentials(
                "the current profile of /home/ci/.aliyun/config.json",
                CredentialsErrorKind::NotConfigured { hint: Some(text("A hint.")), skipped: None },
            ),
            credentials(
                "the current profile of ~/.aliyun/config.json",
                CredentialsErrorKind::File {
                    path: "~/.aliyun/config.json".into(),
                    reason: text("No such file or directory (os error 2)"),
                },
            ),
        ]
        .iter()
        .map(call_error)
    );
}
