//! Another provider with a data source: it costs one file and one line in a registry.

use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::{
    Attribute, AttributeType, Block, Context, DataSource, Diagnostic, Diagnostics, Object,
    ReadData, Schema, Value, async_trait, pb,
};

use super::provider::Offers;
use crate::support::{TestClient, client_for, diagnostics, dynamic, from_dynamic};

/// Reads the words of a text.
struct Words;

#[async_trait]
impl DataSource<()> for Words {
    fn type_name(&self) -> &'static str {
        "toy_words"
    }

    fn schema(&self) -> Schema {
        let word = vec![Attribute::computed("word", "A word.")];
        let words =
            Attribute::computed("words", "The words.").of_type(AttributeType::ObjectList(word));
        let attributes = vec![Attribute::required("text", "A text."), words];
        Schema { version: 0, block: Block { attributes, ..Block::default() } }
    }

    fn validate(&self, config: &Object) -> Diagnostics {
        match config.string("text").known() {
            Some("") => Diagnostic::error("Empty text", "").with_attribute("text").into(),
            _ => Diagnostics::new(),
        }
    }

    async fn read(&self, _: &Context<()>, config: Object) -> Result<ReadData, Diagnostics> {
        let text = config.string("text").known().unwrap_or_default();
        if text == "unreadable" {
            return Err(Diagnostic::error("Unreadable", "").into());
        }
        assert_ne!(text, "panic");
        let words = text.split(' ').map(|word| Object::new().with("word", word).into()).collect();
        Ok(config.with("words", Value::List(words)).into())
    }
}

fn toy() -> Offers {
    Offers { data_source: Some(|| Box::new(Words)), ..Offers::default() }
}

async fn read(client: &mut TestClient<Offers>, text: &str) -> (Json, Vec<String>) {
    let request = pb::read_data_source::Request {
        type_name: "toy_words".into(),
        config: Some(dynamic(&json!({ "text": text, "words": null }))),
        ..Default::default()
    };
    let response = client.read_data_source(request).await.unwrap().into_inner();
    (from_dynamic(response.state.as_ref()), diagnostics(&response.diagnostics))
}

#[tokio::test]
async fn a_data_source_is_served_from_its_line_in_the_registry() {
    let mut client = client_for(toy());
    let metadata = client.get_metadata(pb::get_metadata::Request {}).await.unwrap().into_inner();
    assert_eq!(metadata.data_sources[0].type_name, "toy_words");
    let schema =
        client.get_provider_schema(pb::get_provider_schema::Request {}).await.unwrap().into_inner();
    let block = schema.data_source_schemas["toy_words"].block.as_ref().unwrap();
    let words = &block.attributes[1];
    let nested = words.nested_type.as_ref().unwrap();
    assert_eq!((words.name.as_str(), words.r#type.as_slice()), ("words", [].as_slice()));
    assert_eq!(nested.nesting(), pb::schema::object::NestingMode::List);
    assert_eq!(nested.attributes[0].name, "word");

    let config = dynamic(&json!({}));
    let request = pb::configure_provider::Request { config: Some(config), ..Default::default() };
    client.configure_provider(request).await.unwrap();
    let request = |text: &str| pb::validate_data_resource_config::Request {
        type_name: "toy_words".into(),
        config: Some(dynamic(&json!({ "text": text, "words": null }))),
    };
    for (text, expected) in [("a b", vec![]), ("", vec!["error at text: Empty text"])] {
        let response = client.validate_data_resource_config(request(text)).await.unwrap();
        assert_eq!(diagnostics(&response.into_inner().diagnostics), expected);
    }
    let words = json!([{ "word": "a" }, { "word": "b" }]);
    let expected = json!({ "text": "a b", "words": words });
    assert_eq!(read(&mut client, "a b").await, (expected, vec![]));
    let failed = |message: &str| (Json::Null, vec![message.to_owned()]);
    assert_eq!(read(&mut client, "unreadable").await, failed("error: Unreadable"));
    assert_eq!(read(&mut client, "panic").await, failed("error: The provider crashed"));
}
