//! Terraform's own tools around the provider.

use serde_json::Value as Json;

use super::workspace::Workspace;

#[test]
fn the_schema_is_shown() {
    let Some(workspace) = Workspace::new(&[]) else { return };
    workspace.configure("");
    let shown = workspace.terraform(&["providers", "schema", "-json"]).succeeds().stdout;
    let schemas: Json = serde_json::from_str(&shown).unwrap();
    let (_, schema) =
        schemas["provider_schemas"].as_object().unwrap().iter().next().expect("one provider");
    let attributes = &schema["resource_schemas"]["oss_bucket_encryption"]["block"]["attributes"];
    assert_eq!(attributes["bucket"]["required"], true);
    assert_eq!(attributes["id"]["computed"], true);
    let arguments = &schema["provider"]["block"]["attributes"];
    assert_eq!(arguments["secret_key"]["sensitive"], true);
}
