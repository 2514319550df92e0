//! Where a text stands in a sketch. The same word weighs differently on a button and in a footer.

use super::sketch::{ButtonSketch, Sketch};

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Place {
    FormAttributes,
    Action,
    Around,
    Button,
    OtherButton,
    ButtonAttributes,
    Heading,
    HeadingBefore,
    PageHeading,
    TextBefore,
    FieldName,
    FieldText,
    Hidden,
    LinkText,
    LinkPath,
    Title,
    Path,
    Text,
}

/// How many places there are.
pub(crate) const N_PLACES: usize = 18;

impl Place {
    pub(crate) const ALL: [Place; N_PLACES] = [
        Place::FormAttributes,
        Place::Action,
        Place::Around,
        Place::Button,
        Place::OtherButton,
        Place::ButtonAttributes,
        Place::Heading,
        Place::HeadingBefore,
        Place::PageHeading,
        Place::TextBefore,
        Place::FieldName,
        Place::FieldText,
        Place::Hidden,
        Place::LinkText,
        Place::LinkPath,
        Place::Title,
        Place::Path,
        Place::Text,
    ];

    pub(crate) fn says(self) -> &'static str {
        match self {
            Place::FormAttributes => "in the form's own names",
            Place::Action => "in the form's action",
            Place::Around => "in names around the form",
            Place::Button => "on the button",
            Place::OtherButton => "on another button",
            Place::ButtonAttributes => "in the button's names",
            Place::Heading => "in a heading of the form",
            Place::HeadingBefore => "in the heading before the form",
            Place::PageHeading => "in the page's heading",
            Place::TextBefore => "in the text before the form",
            Place::FieldName => "in the names of fields",
            Place::FieldText => "in the labels of fields",
            Place::Hidden => "in the names of hidden fields",
            Place::LinkText => "on a link that leads elsewhere",
            Place::LinkPath => "in the path of a link that leads elsewhere",
            Place::Title => "in the page's title",
            Place::Path => "in the page's path",
            Place::Text => "in the form's text",
        }
    }
}

/// Calls `text_of` with every text of the sketch, where it stands, and the number of the field that it is
/// about, in the order of [`Place`].
pub(crate) fn texts<'a>(sketch: &'a Sketch, mut text_of: impl FnMut(Place, usize, &'a str)) {
    let mut text = |place, it: &'a str| text_of(place, 0, it);
    let Sketch { page, form } = sketch;
    for it in [&form.id, &form.name, &form.cls, &form.al, &form.role] {
        text(Place::FormAttributes, it);
    }
    text(Place::Action, &form.action);
    form.anc.iter().for_each(|it| text(Place::Around, it));
    let main = main_button(&form.buttons);
    for (index, button) in form.buttons.iter().enumerate() {
        let is_main = button.is_submit() || main == Some(index);
        text(if is_main { Place::Button } else { Place::OtherButton }, &button.text);
        for it in [&button.id, &button.name, &button.cls] {
            text(Place::ButtonAttributes, it);
        }
    }
    form.heads.iter().for_each(|it| text(Place::Heading, it));
    form.before.iter().for_each(|it| text(Place::HeadingBefore, it));
    page.h1.iter().for_each(|it| text(Place::PageHeading, it));
    text(Place::TextBefore, &form.prev);
    for (number, field) in form.fields.iter().enumerate() {
        for it in [&field.name, &field.id] {
            text_of(Place::FieldName, number, it);
        }
        for it in [&field.ph, &field.al, &field.label, &field.title] {
            text_of(Place::FieldText, number, it);
        }
    }
    let mut text = |place, it: &'a str| text_of(place, 0, it);
    form.hidden.iter().for_each(|it| text(Place::Hidden, it));
    for link in &form.links {
        text(Place::LinkText, &link.t);
        text(Place::LinkPath, &link.h);
    }
    text(Place::Title, &page.title);
    text(Place::Path, &page.url_path);
    text(Place::Text, &form.text);
}

/// The button that most likely submits where none says so: the first.
fn main_button(buttons: &[ButtonSketch]) -> Option<usize> {
    let has_submit = buttons.iter().any(ButtonSketch::is_submit);
    (!has_submit && !buttons.is_empty()).then_some(0)
}

impl ButtonSketch {
    pub(crate) fn is_submit(&self) -> bool {
        self.kind == "submit" || self.kind == "image"
    }
}
