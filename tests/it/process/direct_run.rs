//! Running the binary directly.

use super::Start;

#[tokio::test]
async fn without_the_cookie_an_explanation_is_printed() {
    for start in [Start::new(&[]), Start::new(&[]).with("TF_PLUGIN_MAGIC_COOKIE", "guess")] {
        let (code, stdout, stderr) = start.run().await;
        assert_eq!((code, stdout.as_str()), (Some(1), ""));
        assert!(stderr.contains("Terraform") && stderr.contains("plugin"), "{stderr}");
    }
}

#[tokio::test]
async fn version_and_help_need_no_host() {
    let (code, stdout, stderr) = Start::new(&["--version"]).run().await;
    let expected = format!("terraform-provider-oss {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((code, stdout, stderr), (Some(0), expected, String::new()));

    let (code, stdout, stderr) = Start::new(&["--help"]).run().await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains("--debug") && stdout.contains("--version"), "{stdout}");
}

#[tokio::test]
async fn an_unknown_argument_is_an_error_with_the_help() {
    for arguments in [&["--verison"][..], &["serve"], &["--debug", "--debug"]] {
        let (code, stdout, stderr) = Start::new(arguments).run().await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains("--debug"), "{stderr}");
    }
}
