//! Diagnostics about profiles of the Alibaba Cloud CLI, and about what is half configured.

use crate::oss::credentials::{IniFile, Mode, TokenMismatch};

use super::*;

#[test]
fn profile_errors() {
    let text = |text: &str| text.to_owned();
    let profile = "profile \"ci\" of /home/ci/.aliyun/config.json";
    let process = "profile \"ci\" of /home/ci/.aliyun/config.json (its external process)";
    check!(
        [
            credentials(
                profile,
                CredentialsErrorKind::Profile(ProfileError::Ini(IniFile::AccessKey))
            ),
            credentials(
                profile,
                CredentialsErrorKind::Profile(ProfileError::Ini(IniFile::EcsRole))
            ),
            credentials(profile, CredentialsErrorKind::Profile(ProfileError::Ini(IniFile::Role))),
            credentials(
                profile,
                CredentialsErrorKind::Profile(ProfileError::Ini(IniFile::OidcRole))
            ),
            credentials(
                profile,
                CredentialsErrorKind::Profile(ProfileError::Ini(IniFile::Ossutil))
            ),
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
                    refusal: None,
                },
            ),
            credentials(
                profile,
                CredentialsErrorKind::Login {
                    profile: text("my profile"),
                    mode: Mode::OAuth,
                    refusal: Some(Box::new(sts_response(400, "invalid_grant", "Not valid."))),
                },
            ),
            credentials(process, CredentialsErrorKind::Token(TokenMismatch::Missing)),
            credentials(process, CredentialsErrorKind::Token(TokenMismatch::Unexpected)),
            credentials(
                "the current profile of /home/ci/.aliyun/config.json",
                CredentialsErrorKind::NotConfigured { hint: None },
            ),
            credentials(
                "the current profile of /home/ci/.aliyun/config.json",
                CredentialsErrorKind::NotConfigured { hint: Some(text("A hint.")) },
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
