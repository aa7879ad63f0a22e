//! The instructions that debug mode prints to make Terraform use a running provider. Pure.
//!
//! Contract: Terraform, `main.go` (`parseReattachProviders`). `Test` must be true: otherwise the host ignores
//! the protocol version, assumes version 5 and crashes.

use serde_json::{Map, json};

use super::handshake::PROTOCOL_VERSION;

/// The value of `TF_REATTACH_PROVIDERS` for all addresses of one provider. Hosts ignore addresses that are
/// not in the configuration.
fn value(provider_addresses: &[&str], pid: u32, network: &str, address: &str) -> String {
    let process = json!({
        "Protocol": "grpc",
        "ProtocolVersion": PROTOCOL_VERSION,
        "Pid": pid,
        "Test": true,
        "Addr": { "Network": network, "String": address },
    });
    let entry = |address: &&str| ((*address).to_owned(), process.clone());
    json!(provider_addresses.iter().map(entry).collect::<Map<_, _>>()).to_string()
}

/// Instructions for the user, with an assignment to paste into a shell.
pub(super) fn instructions(
    provider_addresses: &[&str],
    pid: u32,
    network: &str,
    address: &str,
) -> String {
    let value = value(provider_addresses, pid, network, address);
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
        "Provider started. To use it, set this environment variable in the shell that runs terraform or \
         tofu. Stop with Ctrl-C.\n\n{assignments}\n"
    )
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn prints_an_entry_for_each_address() {
        let addresses =
            ["registry.terraform.io/oss-tools/oss", "registry.opentofu.org/oss-tools/oss"];
        let text = instructions(&addresses, 42, "unix", "/tmp/it's");
        let line = text.lines().nth(2).unwrap();
        let process = concat!(
            "{\"Addr\":{\"Network\":\"unix\",\"String\":\"/tmp/it'\"'\"'s\"},\"Pid\":42,",
            "\"Protocol\":\"grpc\",\"ProtocolVersion\":6,\"Test\":true}",
        );
        let expected = format!(
            "\tTF_REATTACH_PROVIDERS='{{\"registry.opentofu.org/oss-tools/oss\":{process},\
             \"registry.terraform.io/oss-tools/oss\":{process}}}'"
        );
        assert_eq!(line, expected);
    }
}
