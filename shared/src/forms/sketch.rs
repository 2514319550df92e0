//! The structure of a form, without values. The short names are those of the labeled corpus, so that
//! a corpus line, a message of the content reader and a test case are one format.
//!
//! Everything here comes from a page that we do not control: lengths and counts are capped by
//! [`Sketch::capped`], and no content of a sketch can make the classifier fail.

use serde::{Deserialize, Serialize};

use crate::json;

/// A form and its page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sketch {
    /// The page around the form.
    pub page: PageSketch,
    /// The form.
    pub form: FormSketch,
}

json::record!(Sketch: optional { page, form });

/// The page around a form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PageSketch {
    /// The document's title.
    pub title: String,
    /// The document's language, as it says.
    pub lang: Option<String>,
    /// Up to two first-level headings.
    pub h1: Vec<String>,
    /// Number of password fields on the page.
    pub npw: u32,
    /// The path of the page's address, without query.
    pub url_path: String,
}

json::record!(PageSketch: optional { title, lang, h1, npw, url_path });

/// A form, or the smallest group of elements that acts as one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FormSketch {
    /// Element name, `form` or that of the group's container.
    pub tag: String,
    /// `id` attribute.
    pub id: String,
    /// `name` attribute.
    pub name: String,
    /// `class` attribute.
    pub cls: String,
    /// Host and path of the action, without query.
    pub action: String,
    /// `get` or `post`.
    pub method: String,
    /// `aria-label`.
    pub al: String,
    /// `role`.
    pub role: String,
    /// `id` and `class` of up to four ancestors, nearest first.
    pub anc: Vec<String>,
    /// Up to six headings inside.
    pub heads: Vec<String>,
    /// The nearest headings before.
    pub before: Vec<String>,
    /// Up to 200 characters of text before.
    pub prev: String,
    /// Up to 400 characters of own text.
    pub text: String,
    /// Up to 60 fields.
    pub fields: Vec<FieldSketch>,
    /// Names of up to 25 hidden inputs.
    pub hidden: Vec<String>,
    /// Up to 16 buttons.
    pub buttons: Vec<ButtonSketch>,
    /// Up to 25 links.
    pub links: Vec<LinkSketch>,
    /// Number of text-like fields.
    pub ntext: u32,
    /// A captcha is inside.
    pub captcha: bool,
    /// The form is not visible.
    pub hid: bool,
}

json::record!(FormSketch: optional {
    tag, id, name, cls, action, method, al, role, anc, heads, before, prev, text, fields, hidden,
    buttons, links, ntext, captcha, hid,
});

/// One field of a form. There is no place for a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FieldSketch {
    /// `input`, `select` or `textarea`.
    pub tag: String,
    /// `type` attribute, lower-case.
    #[serde(rename = "type")]
    pub kind: String,
    /// `name` attribute.
    pub name: String,
    /// `id` attribute.
    pub id: String,
    /// `class` attribute.
    pub cls: String,
    /// `autocomplete` attribute.
    pub ac: String,
    /// `placeholder` attribute.
    pub ph: String,
    /// `aria-label` attribute.
    pub al: String,
    /// Text of the label.
    pub label: String,
    /// `title` attribute.
    pub title: String,
    /// `maxlength` attribute.
    pub maxlen: Option<String>,
    /// `inputmode` attribute.
    pub im: Option<String>,
    /// `required`.
    pub req: bool,
    /// Has a `pattern`.
    pub pat: bool,
    /// Not visible.
    pub hid: bool,
    /// Number of options of a `select`.
    pub nopt: u32,
}

json::record!(FieldSketch: optional {
    tag, kind as "type", name, id, cls, ac, ph, al, label, title, maxlen, im, req, pat, hid, nopt,
});

/// One button of a form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ButtonSketch {
    /// Element name.
    pub tag: String,
    /// `type` attribute, lower-case.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says.
    pub text: String,
    /// `id` attribute.
    pub id: String,
    /// `name` attribute.
    pub name: String,
    /// `class` attribute.
    pub cls: String,
}

json::record!(ButtonSketch: optional { tag, kind as "type", text, id, name, cls });

/// One link inside a form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkSketch {
    /// What it says.
    pub t: String,
    /// The path it leads to, without query.
    pub h: String,
}

json::record!(LinkSketch: optional { t, h });

impl Sketch {
    /// The sketch within the caps of the format: a page may send as much as it likes, we read this much.
    #[must_use]
    pub fn capped(mut self) -> Sketch {
        let Sketch { page, form } = &mut self;
        cap(&mut page.title, 120);
        cap_option(&mut page.lang, 35);
        cap_all(&mut page.h1, 2, 80);
        // The format's paths have no query. Should a sender forget that, it ends here.
        if let Some(query) = page.url_path.find(['?', '#']) {
            page.url_path.truncate(query);
        }
        cap(&mut page.url_path, 120);

        for it in [&mut form.tag, &mut form.method, &mut form.role] {
            cap(it, 25);
        }
        for it in [&mut form.id, &mut form.name, &mut form.al] {
            cap(it, 80);
        }
        cap(&mut form.cls, 120);
        cap(&mut form.action, 150);
        cap_all(&mut form.anc, 4, 100);
        cap_all(&mut form.heads, 6, 80);
        cap_all(&mut form.before, 2, 80);
        cap(&mut form.prev, 200);
        cap(&mut form.text, 400);
        cap_all(&mut form.hidden, 25, 40);

        form.fields.truncate(60);
        for field in &mut form.fields {
            for it in [&mut field.tag, &mut field.kind] {
                cap(it, 20);
            }
            for it in [&mut field.name, &mut field.id, &mut field.cls, &mut field.ac] {
                cap(it, 60);
            }
            for it in [&mut field.ph, &mut field.al, &mut field.label, &mut field.title] {
                cap(it, 80);
            }
            cap_option(&mut field.maxlen, 10);
            cap_option(&mut field.im, 20);
        }
        form.buttons.truncate(16);
        for button in &mut form.buttons {
            for it in [&mut button.tag, &mut button.kind] {
                cap(it, 20);
            }
            for it in [&mut button.text, &mut button.id, &mut button.name, &mut button.cls] {
                cap(it, 80);
            }
        }
        form.links.truncate(25);
        for link in &mut form.links {
            cap(&mut link.t, 60);
            cap(&mut link.h, 150);
        }
        self
    }
}

/// Cuts after `most` characters, never inside one.
fn cap(text: &mut String, most: usize) {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
    }
}

fn cap_option(text: &mut Option<String>, most: usize) {
    if let Some(text) = text {
        cap(text, most);
    }
}

fn cap_all(texts: &mut Vec<String>, most_texts: usize, most: usize) {
    texts.truncate(most_texts);
    texts.iter_mut().for_each(|it| cap(it, most));
}
