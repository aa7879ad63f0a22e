//! What debug mode prints, so that Terraform uses a provider that is running already. Pure.
//!
//! Contract: Terraform, `main.go` (`parseReattachProviders`). `Test` must be true: otherwise the
//! host does not learn the protocol version, takes it for 5 and crashes.

use serde_json::json;

use super::handshake::PROTOCOL_VERSION;

/// The value of `TF_REATTACH_PROVIDERS` for one provider.
fn value(provider_address: &str, pid: u32, network: &str, address: &str) -> String {
    json!({
        provider_address: {
            "Protocol": "grpc",
            "ProtocolVersion": PROTOCOL_VERSION,
            "Pid": pid,
            "Test": true,
            "Addr": { "Network": network, "String": address },
        }
    })
    .to_string()
}

/// Instructions for the person who started debug mode, ready to paste.
pub(super) fn instructions(
    provider_address: &str,
    pid: u32,
    network: &str,
    address: &str,
) -> String {
    let value = value(provider_address, pid, network, address);
    let assignments = if cfg!(windows) {
        let power_shell = value.replace('\'', "''");
        format!(
            "\tCommand Prompt:\tset \"TF_REATTACH_PROVIDERS={value}\"\n\
             \tPowerShell:\t$env:TF_REATTACH_PROVIDERS='{power_shell}'\n"
        )
    } else {
        let quoted = value.replace('\'', r#"'"'"'"#);
        format!("\tTF_REATTACH_PROVIDERS='{quoted}'\n")
    };
    format!(
        "The provider is running. Set this variable where terraform or tofu runs; end with Ctrl-C.\n\
         \n{assignments}\n"
    )
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn names_everything_that_terraform_needs() {
        let text = instructions("registry.terraform.io/oss-tools/oss", 42, "unix", "/tmp/it's");
        let line = text.lines().nth(2).unwrap();
        let expected = concat!(
            "\tTF_REATTACH_PROVIDERS='{\"registry.terraform.io/oss-tools/oss\":{\"Addr\":",
            "{\"Network\":\"unix\",\"String\":\"/tmp/it'\"'\"'s\"},\"Pid\":42,\"Protocol\":\"grpc\",",
            "\"ProtocolVersion\":6,\"Test\":true}}'",
        );
        assert_eq!(line, expected);
    }
}
