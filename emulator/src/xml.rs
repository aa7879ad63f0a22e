//! The XML of OSS: shallow trees of elements with text.
//!
//! The parser accepts prolog, byte order mark, namespaces, comments, CDATA, and elements in any order
//! (the official SDKs differ). It rejects document type definitions.

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesRef, Event};

/// Deeper documents are rejected; OSS nests four levels.
const MAX_DEPTH: usize = 32;

/// An element with its local name, direct text and children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// An element that contains only text.
    pub(super) fn of_text(name: &str, text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::new(name) }
    }

    pub(super) fn with(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// The first child with this local name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The children with this local name.
    pub(super) fn children<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text, untrimmed: an object key may begin with a space.
    pub(super) fn whole_text(&self) -> &str {
        &self.text
    }

    /// The trimmed text.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    /// Parses a document. Returns `None` if it is not well-formed.
    pub(super) fn parse(document: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(document).ok()?;
        let mut reader = Reader::from_str(text);
        // The open elements, outermost first; the first one stands for the document.
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) => {
                    if open.len() > MAX_DEPTH {
                        return None;
                    }
                    open.push(Self::new(tag.local_name().into_inner()));
                }
                Event::Empty(tag) => {
                    let empty = Self::new(tag.local_name().into_inner());
                    open.last_mut()?.children.push(empty);
                }
                Event::End(_) => {
                    let closed = open.pop()?;
                    open.last_mut()?.children.push(closed);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::CData(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let character = resolve(&reference)?;
                    open.last_mut()?.text.push_str(&character);
                }
                Event::DocType(_) => return None,
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => break,
            }
        }
        let [document] = <[Self; 1]>::try_from(open).ok()?;
        let [root] = <[Self; 1]>::try_from(document.children).ok()?;
        document.text.trim().is_empty().then_some(root)
    }

    /// The document with its prolog.
    pub(super) fn to_document(&self) -> Vec<u8> {
        let mut document = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.write(&mut document);
        document.into_bytes()
    }

    fn write(&self, out: &mut String) {
        let Self { name, text, children } = self;
        out.extend(["<", name, ">", &*escape(text)]);
        for child in children {
            child.write(out);
        }
        out.extend(["</", name, ">"]);
    }
}

/// Resolves a character reference or one of the five predefined entities.
fn resolve(reference: &BytesRef<'_>) -> Option<String> {
    match reference.resolve_char_ref().ok()? {
        Some(character) => Some(character.to_string()),
        None => resolve_predefined_entity(reference).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_documents_are_parsed_alike() {
        let plain = Element::new("a").with(Element::of_text("b", "1<2"));
        for document in [
            "<a><b>1&lt;2</b></a>",
            "\u{feff}<?xml version=\"1.0\"?><!-- c --><a><b>1&#60;2</b></a>\n",
            "<x:a xmlns:x=\"http://example.com\"><x:b><![CDATA[1<2]]></x:b></x:a>",
            "<a c='d'><b>1&#x3c;<!-- inside -->2</b></a>",
        ] {
            assert_eq!(Element::parse(document.as_bytes()).as_ref(), Some(&plain), "{document}");
        }
    }

    #[test]
    fn malformed_documents_are_rejected() {
        let deep = "<a>".repeat(100) + &"</a>".repeat(100);
        for document in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>text",
            "<!DOCTYPE a []><a/>",
            "<a>&x;</a>",
            &deep,
        ] {
            assert_eq!(Element::parse(document.as_bytes()), None, "{document}");
        }
        assert_eq!(Element::parse(b"<a>\xff</a>"), None);
    }

    #[test]
    fn serialized_documents_can_be_parsed() {
        let element =
            Element::new("a").with(Element::of_text("b", "<&>\"' 中\n")).with(Element::new("c"));
        let document = element.to_document();
        let mut expected = element;
        expected.children[0].text = "<&>\"' 中\n".to_owned();
        assert_eq!(Element::parse(&document), Some(expected));
        assert!(
            document.starts_with(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a><b>&lt;&amp;")
        );
    }
}
