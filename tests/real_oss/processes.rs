//! This executable as another process, which takes the emulator for OSS.

use std::fs;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use oss_emulator::{EncryptionRule, Fault};

use crate::service::Service;

/// Starts one test, with `OSS_ACC=1`.
fn start(service: &Service, test: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    command.env_clear().envs(service.environment());
    for name in ["TERRAFORM", "TMPDIR"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.env("OSS_ACC", "1").env("OSS_ACC_BUCKET", &service.bucket);
    command.env("OSS_ACC_OVERWRITE", "1");
    // Into a file: a pipe could be full while nobody reads it.
    let printed = fs::File::create(service.printed()).unwrap();
    command.stdout(Stdio::null()).stderr(printed).spawn().unwrap()
}

fn end(service: &Service, mut child: Child) -> (ExitStatus, String) {
    let status = child.wait().unwrap();
    (status, fs::read_to_string(service.printed()).unwrap())
}

#[test]
fn an_account_that_can_use_only_aes256_passes() {
    let Some(service) = Service::start_emulator() else { return };
    let emulator = service.emulator.as_ref().unwrap();
    for algorithm in ["KMS", "SM4"] {
        let fault = Fault::error_response(403, "KmsServiceNotEnabled").algorithm(algorithm);
        emulator.inject(fault.forever());
    }
    for found in [None, Some(EncryptionRule::new("AES256"))] {
        if let Some(rule) = &found {
            emulator.set_rule(&service.bucket, rule.clone());
        }
        let (status, printed) = end(&service, start(&service, "the_lifecycle_of_a_rule"));
        assert!(status.success(), "{printed}");
        let unusable = printed.matches(": KmsServiceNotEnabled").count();
        assert_eq!(unusable, 3, "{printed}");
        // Nothing else differs from what is expected of the emulator.
        assert!(!printed.contains("emulator ["), "{printed}");
        assert_eq!(emulator.rule(&service.bucket), found, "{printed}");
    }
}

#[test]
fn an_interrupted_test_restores_what_it_found() {
    let Some(service) = Service::start_emulator() else { return };
    let emulator = service.emulator.as_ref().unwrap();
    let found = EncryptionRule::new("SM4");
    // The request that is interrupted, and the rule at that time.
    let deleting = Fault::delay(Duration::from_hours(1)).method("DELETE");
    let throttled = Fault::error_response(429, "Throttling").algorithm("KMS").retry_after(60);
    for (fault, method, status, rule, signal) in [
        (deleting, "DELETE", 204, None, Signal::SIGINT),
        (throttled, "PUT", 429, Some(EncryptionRule::new("AES256")), Signal::SIGTERM),
    ] {
        emulator.set_rule(&service.bucket, found.clone());
        emulator.inject(fault);
        let mut child = start(&service, "the_lifecycle_of_a_rule");
        let is_reached = || {
            let requests = emulator.requests();
            requests.iter().any(|request| request.method == method && request.status == status)
        };
        while !is_reached() {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", end(&service, child).1);
            std::thread::yield_now();
        }
        assert_eq!(emulator.rule(&service.bucket), rule);
        // Impatient users do it twice.
        for _ in 0..2 {
            kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        }
        let (status, printed) = end(&service, child);
        assert!(!status.success(), "{printed}");
        assert_eq!(emulator.rule(&service.bucket), Some(found.clone()), "{printed}");
        for part in [
            "real_oss: found on bucket real-oss-test, to be restored: sse_algorithm = \"SM4\"",
            "real_oss: interrupted: ",
            "real_oss: restored: sse_algorithm = \"SM4\"",
        ] {
            assert!(printed.contains(part), "{part} is missing:\n{printed}");
        }
        emulator.clear_requests();
        emulator.clear_faults();
    }
}
