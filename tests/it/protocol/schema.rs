//! The schemas that Terraform gets.

use terraform_provider_oss::tfplugin::pb;

use crate::support::{TYPE, unconfigured};

#[tokio::test]
async fn the_schema_has_every_attribute_as_documented() {
    let response = unconfigured()
        .get_provider_schema(pb::get_provider_schema::Request {})
        .await
        .unwrap()
        .into_inner();
    let block = response.resource_schemas[TYPE].block.as_ref().unwrap();
    let rule = |attribute: &pb::schema::Attribute| {
        let kind = match (attribute.required, attribute.optional, attribute.computed) {
            (true, false, false) => "required",
            (false, true, false) => "optional",
            (false, true, true) => "optional and computed",
            (false, false, true) => "computed",
            _ => "contradictory",
        };
        assert_eq!(attribute.r#type, b"\"string\"");
        assert!(!attribute.description.is_empty(), "{}", attribute.name);
        format!("{} {kind}", attribute.name)
    };
    let rules: Vec<String> = block.attributes.iter().map(rule).collect();
    let expected = [
        "bucket required",
        "sse_algorithm required",
        "kms_master_key_id optional and computed",
        "kms_data_encryption optional and computed",
        "region optional and computed",
        "id computed",
    ];
    assert_eq!(rules, expected);
    let timeouts = &block.block_types[0];
    assert_eq!(timeouts.type_name, "timeouts");
    assert_eq!(timeouts.nesting(), pb::schema::nested_block::NestingMode::Single);
    let names: Vec<String> = timeouts.block.as_ref().unwrap().attributes.iter().map(rule).collect();
    assert_eq!(names, ["create optional", "read optional", "update optional", "delete optional"]);

    let arguments = &response.provider.unwrap().block.unwrap().attributes;
    let sensitive: Vec<&str> = arguments
        .iter()
        .filter(|attribute| attribute.sensitive)
        .map(|attribute| attribute.name.as_str())
        .collect();
    assert_eq!(sensitive, ["secret_key", "security_token"]);
    assert!(response.server_capabilities.unwrap().get_provider_schema_optional);
}
