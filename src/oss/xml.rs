//! A small reader for the XML of OSS responses.
//!
//! The bodies are shallow, bounded (the client reads at most 1 MiB) and read once, so a tree is the simplest
//! representation. Accepts a prolog, a BOM, namespaces, comments, CDATA, any order and unknown elements.
//! Rejects document type definitions and undefined entities.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use thiserror::Error;

/// Deeper trees are rejected; OSS nests four levels.
const MAX_DEPTH: usize = 32;

/// Why a body could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum XmlError {
    #[error("the body is not UTF-8")]
    Encoding,
    #[error("the body is not well-formed XML: {0}")]
    Syntax(String),
    #[error("the body has a document type definition, which is not allowed")]
    DocumentType,
    #[error("the body ends in the middle of an element")]
    Truncated,
    #[error("the body nests elements too deeply")]
    Depth,
    #[error("the body has more than one root element, or none")]
    Root,
}

/// An element: its local name, its own text, and its children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Parses a whole document and returns its root element.
    pub(super) fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let text = std::str::from_utf8(body).map_err(|_| XmlError::Encoding)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = Reader::from_str(text);
        // The open elements, outermost first; the first one collects the roots.
        let mut open = vec![Self::default()];
        loop {
            let event = reader.read_event().map_err(|error| XmlError::Syntax(error.to_string()))?;
            match event {
                Event::Start(tag) if open.len() > MAX_DEPTH => {
                    drop(tag);
                    return Err(XmlError::Depth);
                }
                Event::Start(tag) => open.push(Self::from_tag(&tag)),
                Event::Empty(tag) => Self::push_child(&mut open, Self::from_tag(&tag)),
                Event::End(_) => {
                    let closed = open.pop().unwrap_or_default();
                    Self::push_child(&mut open, closed);
                }
                Event::Text(text) => Self::push_text(&mut open, &text.xml10_content()),
                Event::CData(text) => Self::push_text(&mut open, &text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let syntax = |error: quick_xml::Error| XmlError::Syntax(error.to_string());
                    if let Some(character) = reference.resolve_char_ref().map_err(syntax)? {
                        Self::push_text(&mut open, character.encode_utf8(&mut [0; 4]));
                    } else {
                        let name = reference.xml10_content();
                        let value = resolve_predefined_entity(&name)
                            .ok_or_else(|| XmlError::Syntax(format!("unknown entity &{name};")))?;
                        Self::push_text(&mut open, value);
                    }
                }
                Event::DocType(_) => return Err(XmlError::DocumentType),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => break,
            }
        }
        match <[Self; 1]>::try_from(open) {
            Ok([document]) if document.text.trim().is_empty() => {
                let [root] =
                    <[Self; 1]>::try_from(document.children).map_err(|_| XmlError::Root)?;
                Ok(root)
            }
            Ok(_) => Err(XmlError::Syntax("text outside the root element".to_owned())),
            Err(_) => Err(XmlError::Truncated),
        }
    }

    /// Returns the first child with this local name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Returns all children with this local name.
    pub(super) fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Returns the trimmed text of the first child with this name. OSS and the SDKs do not distinguish absent,
    /// empty and blank elements.
    pub(super) fn child_text(&self, name: &str) -> Option<String> {
        self.child(name)
            .map(|child| child.text.trim())
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }

    fn from_tag(tag: &BytesStart<'_>) -> Self {
        Self { name: tag.local_name().into_inner().to_owned(), ..Self::default() }
    }

    fn push_child(open: &mut [Self], element: Self) {
        if let Some(parent) = open.last_mut() {
            parent.children.push(element);
        }
    }

    fn push_text(open: &mut [Self], text: &str) {
        if let Some(parent) = open.last_mut() {
            parent.text.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of_b(body: &str) -> Result<Option<String>, XmlError> {
        Element::parse(body.as_bytes()).map(|root| root.child_text("b"))
    }

    #[test]
    fn reads_every_form_of_the_same_document() {
        for body in [
            "<a><b>x</b></a>",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>\n <b>\n  x\n </b>\n</a>\n",
            "\u{feff}<a><b>x</b></a>",
            "<a xmlns=\"http://doc.oss-cn-hangzhou.aliyuncs.com\"><b>x</b></a>",
            "<o:a xmlns:o=\"urn:x\"><o:b>x</o:b></o:a>",
            "<a><!-- c --><other/><b><!-- c -->x</b><more><b>y</b></more></a>",
            "<a><b><![CDATA[x]]></b></a>",
            "<a><b>&#120;</b></a>",
        ] {
            assert_eq!(text_of_b(body), Ok(Some("x".to_owned())), "{body}");
        }
        assert_eq!(text_of_b("<a><b>&lt;&amp;&gt;</b></a>"), Ok(Some("<&>".to_owned())));
    }

    #[test]
    fn absent_empty_and_blank_are_the_same() {
        for body in ["<a/>", "<a></a>", "<a><b/></a>", "<a><b></b></a>", "<a><b> \n </b></a>"] {
            assert_eq!(text_of_b(body), Ok(None), "{body}");
        }
    }

    #[test]
    fn rejects_what_is_not_a_whole_document() {
        assert_eq!(text_of_b(""), Err(XmlError::Root));
        assert_eq!(text_of_b("<a/><b/>"), Err(XmlError::Root));
        assert_eq!(text_of_b("<a><b>x"), Err(XmlError::Truncated));
        assert!(matches!(text_of_b("<a><b>x</a>"), Err(XmlError::Syntax(_))));
        assert!(matches!(text_of_b("no xml"), Err(XmlError::Syntax(_))));
        assert!(matches!(text_of_b("<a>&undefined;</a>"), Err(XmlError::Syntax(_))));
        assert_eq!(Element::parse(b"<a>\xff</a>"), Err(XmlError::Encoding));
    }

    #[test]
    fn rejects_document_types_and_deep_nesting() {
        let laughs = "<!DOCTYPE a [<!ENTITY l \"ha\">]><a><b>&l;</b></a>";
        assert_eq!(text_of_b(laughs), Err(XmlError::DocumentType));
        let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
        assert_eq!(text_of_b(&deep), Err(XmlError::Depth));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(body: Vec<u8>) {
            let _ = Element::parse(&body);
        }
    }
}
