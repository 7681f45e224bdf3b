//! An XML document as a tree that can be patched and written again with all that is unknown in it.
//!
//! What other tools wrote into a definition (comments, metadata, elements that this version never heard of) must
//! survive a change of ours. XML comes from a host where others may write it, so it is bounded in size, depth and
//! number of nodes; document types are refused, and with them entities of one's own.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;

/// The largest document, in bytes: as much as libvirt's own protocol carries in one string.
const MOST_BYTES: usize = 4 << 20;
/// How deep elements may nest: domain XML needs eight.
const MOST_DEPTH: usize = 64;
/// How many nodes a document may have: a domain with hundreds of devices has some ten thousand.
const MOST_NODES: usize = 200_000;

/// Why a text is not taken as XML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    /// It is larger than any definition.
    #[error("the XML is larger than {MOST_BYTES} bytes")]
    Large,
    /// It nests deeper than any definition.
    #[error("the XML nests deeper than {MOST_DEPTH} elements")]
    Deep,
    /// It has more nodes than any definition.
    #[error("the XML has more than {MOST_NODES} nodes")]
    Many,
    /// It declares a document type.
    #[error("the XML declares a document type")]
    DocumentType,
    /// It names an entity that XML does not define.
    #[error("the XML names the unknown entity \"{0}\"")]
    Entity(String),
    /// It is not well-formed.
    #[error("the XML is not well-formed: {0}")]
    Malformed(String),
}

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// Its name with prefix.
    pub name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Node>,
}

/// What an element holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Element(Element),
    /// Text, references resolved.
    Text(String),
    /// Comments, CDATA sections and processing instructions, as they were written.
    Verbatim(String),
}

impl Element {
    /// An element without attributes and content.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The same with an attribute.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    /// The same with text.
    #[must_use]
    pub(crate) fn text_is(mut self, text: impl Into<String>) -> Self {
        self.set_text(text);
        self
    }

    /// The same with a child.
    #[must_use]
    pub(crate) fn holds(mut self, child: Element) -> Self {
        self.children.push(Node::Element(child));
        self
    }

    /// An attribute's value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Writes an attribute.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        match self.attributes.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value.into(),
            None => self.attributes.push((name.into(), value.into())),
        }
    }

    /// Removes an attribute.
    pub(crate) fn unset(&mut self, name: &str) {
        self.attributes.retain(|(key, _)| key != name);
    }

    /// Its own text, without that of elements in it.
    pub(crate) fn text(&self) -> String {
        let parts = self.children.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) | Node::Verbatim(_) => None,
        });
        parts.collect()
    }

    /// Replaces everything in it by text.
    pub(crate) fn set_text(&mut self, text: impl Into<String>) {
        self.children = vec![Node::Text(text.into())];
    }

    /// The elements in it.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) | Node::Verbatim(_) => None,
        })
    }

    fn elements_mut(&mut self) -> impl Iterator<Item = &mut Element> {
        self.children.iter_mut().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) | Node::Verbatim(_) => None,
        })
    }

    /// The elements of a name in it.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &Element> {
        self.elements().filter(move |element| element.name == name)
    }

    /// The first element of a name in it.
    pub(crate) fn first(&self, name: &str) -> Option<&Element> {
        self.elements().find(|element| element.name == name)
    }

    /// The first element of a name in it, to be changed.
    pub(crate) fn first_mut(&mut self, name: &str) -> Option<&mut Element> {
        self.elements_mut().find(|element| element.name == name)
    }

    /// The first element of a name in it, made at its end where there is none.
    pub(crate) fn need(&mut self, name: &str) -> &mut Element {
        let at = self
            .children
            .iter()
            .position(|node| matches!(node, Node::Element(element) if element.name == name))
            .unwrap_or_else(|| {
                self.children.push(Node::Element(Element::new(name)));
                self.children.len() - 1
            });
        match &mut self.children[at] {
            Node::Element(element) => element,
            Node::Text(_) | Node::Verbatim(_) => unreachable!("found as an element, or pushed as one"),
        }
    }

    /// Adds an element at its end.
    pub(crate) fn push(&mut self, element: Element) {
        self.children.push(Node::Element(element));
    }

    /// Removes the elements in it of which `which` says so, with the blank text before each.
    pub(crate) fn remove(&mut self, which: impl Fn(&Element) -> bool) {
        let mut kept: Vec<Node> = Vec::with_capacity(self.children.len());
        for node in std::mem::take(&mut self.children) {
            match &node {
                Node::Element(element) if which(element) => {
                    if matches!(kept.last(), Some(Node::Text(text)) if text.trim().is_empty()) {
                        kept.pop();
                    }
                }
                _ => kept.push(node),
            }
        }
        self.children = kept;
    }

    /// Calls with each element below it and itself, to change them.
    pub(crate) fn each_mut(&mut self, change: &mut impl FnMut(&mut Element)) {
        change(self);
        for element in self.elements_mut() {
            element.each_mut(change);
        }
    }

    /// Removes comments, CDATA sections and processing instructions, wherever they are in it.
    pub(crate) fn drop_verbatim(&mut self) {
        self.each_mut(&mut |element| element.children.retain(|node| !matches!(node, Node::Verbatim(_))));
    }

    /// Its attributes, names and values.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Reads a document.
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        if text.len() > MOST_BYTES {
            return Err(Wrong::Large);
        }
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Element> = Vec::new();
        let mut root = None;
        let mut nodes = 0;
        loop {
            nodes += 1;
            if nodes > MOST_NODES {
                return Err(Wrong::Many);
            }
            let event = reader.read_event().map_err(|why| Wrong::Malformed(why.to_string()))?;
            let ended = match event {
                Event::Start(start) => {
                    if open.len() == MOST_DEPTH {
                        return Err(Wrong::Deep);
                    }
                    open.push(begun(&start)?);
                    None
                }
                Event::Empty(start) => Some(begun(&start)?),
                Event::End(_) => open.pop(),
                Event::Text(text) => {
                    said(&mut open, &text.xml10_content())?;
                    None
                }
                Event::GeneralRef(reference) => {
                    let name = reference.xml10_content();
                    let malformed = |why: quick_xml::Error| Wrong::Malformed(why.to_string());
                    match (reference.resolve_char_ref().map_err(malformed)?, resolve_xml_entity(&name)) {
                        (Some(char), _) => said(&mut open, char.encode_utf8(&mut [0; 4]))?,
                        (None, Some(text)) => said(&mut open, text)?,
                        (None, None) => return Err(Wrong::Entity(name.into_owned())),
                    }
                    None
                }
                Event::CData(data) => verbatim(&mut open, format!("<![CDATA[{}]]>", &*data)),
                Event::Comment(comment) => verbatim(&mut open, format!("<!--{}-->", &*comment)),
                Event::PI(instruction) => verbatim(&mut open, format!("<?{}?>", &*instruction)),
                Event::Decl(_) => None,
                Event::DocType(_) => return Err(Wrong::DocumentType),
                Event::Eof => break,
            };
            match (ended, open.last_mut(), &root) {
                (None, _, _) => {}
                (Some(element), Some(parent), _) => parent.push(element),
                (Some(element), None, None) => root = Some(element),
                (Some(_), None, Some(_)) => return Err(Wrong::Malformed("it has more than one root".into())),
            }
        }
        if let Some(element) = open.last() {
            return Err(Wrong::Malformed(format!("<{}> is not closed", element.name)));
        }
        root.ok_or_else(|| Wrong::Malformed("it is empty".into()))
    }

    /// Writes it as a document.
    pub(crate) fn to_xml(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            escape(value, true, out);
            out.push('"');
        }
        if self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for node in &self.children {
            match node {
                Node::Element(element) => element.write(out),
                Node::Text(text) => escape(text, false, out),
                Node::Verbatim(text) => out.push_str(text),
            }
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}

fn begun(start: &quick_xml::events::BytesStart<'_>) -> Result<Element, Wrong> {
    let mut element = Element::new(start.name().into_inner());
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|why| Wrong::Malformed(why.to_string()))?;
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .map_err(|why| Wrong::Malformed(why.to_string()))?;
        element.attributes.push((attribute.key.into_inner().to_owned(), value.into_owned()));
    }
    Ok(element)
}

/// Adds text to the element that is open; outside the root only blanks may stand.
fn said(open: &mut [Element], text: &str) -> Result<(), Wrong> {
    match open.last_mut() {
        Some(element) => {
            if let Some(Node::Text(before)) = element.children.last_mut() {
                before.push_str(text);
            } else if !text.is_empty() {
                element.children.push(Node::Text(text.to_owned()));
            }
            Ok(())
        }
        None if text.trim().is_empty() => Ok(()),
        None => Err(Wrong::Malformed("there is text outside the root".into())),
    }
}

/// Keeps what is not text as it was; outside the root it is dropped (libvirt drops it too).
fn verbatim(open: &mut [Element], text: String) -> Option<Element> {
    if let Some(element) = open.last_mut() {
        element.children.push(Node::Verbatim(text));
    }
    None
}

/// Writes text so that it reads back as it is: blanks in attributes would otherwise be read as spaces.
fn escape(text: &str, attribute: bool, out: &mut String) {
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\t' if attribute => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            char => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> String {
        Element::parse(text).unwrap().to_xml()
    }

    #[test]
    fn what_is_not_understood_is_written_again_as_it_was() {
        for text in [
            "<domain type=\"kvm\"><!-- by hand -->\n  <name>a &amp; b &lt;c&gt;</name>\n  <x:y xmlns:x=\"urn:z\" x:q=\"1\"/>\n</domain>",
            "<a><![CDATA[<not & parsed>]]><?tool keep this?></a>",
            "<a b=\"line&#10;two &quot;quoted&quot; &amp;\">äöü 漢字 &#13;</a>",
            "<a/>",
        ] {
            assert_eq!(again(text), text);
        }
    }

    #[test]
    fn an_element_is_found_changed_and_removed() {
        let mut tree = Element::parse("<d>\n  <a n='1'/>\n  <b><c>old</c></b>\n  <a n='2'/>\n</d>").unwrap();
        assert_eq!(tree.need("b").need("c").text(), "old");
        tree.need("b").need("c").set_text("new");
        tree.need("e").set("f", "g");
        tree.remove(|element| element.get("n") == Some("1"));
        assert_eq!(tree.to_xml(), "<d>\n  <b><c>new</c></b>\n  <a n=\"2\"/>\n<e f=\"g\"/></d>");
    }

    #[test]
    fn hostile_xml_is_refused_and_harms_nobody() {
        let bomb = "<!DOCTYPE d [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><d>&b;</d>";
        assert_eq!(Element::parse(bomb), Err(Wrong::DocumentType));
        assert_eq!(Element::parse("<d>&own;</d>"), Err(Wrong::Entity("own".into())));
        assert_eq!(Element::parse(&"<a>".repeat(100_000)), Err(Wrong::Deep));
        assert_eq!(Element::parse(&"x".repeat(MOST_BYTES + 1)), Err(Wrong::Large));
        assert_eq!(Element::parse(&format!("<d>{}</d>", "<a/>".repeat(MOST_NODES))), Err(Wrong::Many));
        let twice = "<d/><d/>";
        for text in
            ["", "text", "<d>", "<d></e>", "</d>", "<d a=b/>", "<d a='1' a='2'/>", "<d a='&own;'/>", twice]
        {
            assert!(matches!(Element::parse(text), Err(Wrong::Malformed(_))), "{text:?}");
        }
    }
}
