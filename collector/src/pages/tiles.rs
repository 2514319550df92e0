//! The small square in front of an app's name: its icon where a free one is known, else a letter.

use actix_web::HttpResponse;
use actix_web::web::Path;

use super::assets;
use crate::problem::ApiError;
use crate::store::apps::AppRow;

/// `slug color path`, sorted by slug.
const ICONS: &str = include_str!("../../../catalog/icons.txt");

/// Backgrounds of letters, dark enough for white on them.
const COLORS: [&str; 6] = ["0f6a55", "27509c", "7a4a00", "9b1c28", "5b3a8c", "46534e"];

/// Where an app's tile is.
#[must_use]
pub fn url(app: &AppRow) -> String {
    let slug = app.catalog_slug.as_deref().filter(|it| icon(it).is_some());
    match slug {
        Some(slug) => format!("/assets/tiles/{slug}.svg"),
        None => {
            let letter = app.name.chars().find(|it| it.is_alphanumeric()).unwrap_or('-');
            // The same app has the same color on every page.
            let color = app.name.bytes().map(usize::from).sum::<usize>() % COLORS.len();
            format!("/assets/tiles/_{:x}-{color}.svg", u32::from(letter))
        }
    }
}

/// `GET` a tile.
///
/// # Errors
/// [`ApiError::NotFound`] for what [`url()`] does not make.
pub async fn show(tile: Path<String>) -> Result<HttpResponse, ApiError> {
    let name = tile.strip_suffix(".svg").ok_or(ApiError::NotFound)?;
    let svg = match name.strip_prefix('_') {
        None => icon(name).map(|(color, path)| icon_tile(color, path)),
        Some(letter) => letter_tile(letter),
    };
    Ok(assets::svg(svg.ok_or(ApiError::NotFound)?))
}

/// Color and path of an app's icon.
fn icon(slug: &str) -> Option<(&'static str, &'static str)> {
    // Lines are few and this is asked once per row; a table would cost more than it saves.
    let line = ICONS.lines().find_map(|it| it.strip_prefix(slug)?.strip_prefix(' '))?;
    line.split_once(' ')
}

fn icon_tile(color: &str, path: &str) -> String {
    let ink = if is_light(color) { "14201c" } else { "ffffff" };
    square(color, &format!(r##"<path transform="translate(8 8)" fill="#{ink}" d="{path}"/>"##))
}

fn letter_tile(name: &str) -> Option<String> {
    let (letter, color) = name.split_once('-')?;
    let letter = char::from_u32(u32::from_str_radix(letter, 16).ok()?)?;
    let letter = letter.is_alphanumeric().then(|| letter.to_uppercase().to_string());
    let letter = letter.unwrap_or_else(|| "-".to_owned());
    let color = COLORS.get(color.parse::<usize>().ok()?)?;
    let text = format!(
        r##"<text x="20" y="27" text-anchor="middle" font-family="system-ui,sans-serif" font-size="20" font-weight="600" fill="#fff">{letter}</text>"##
    );
    Some(square(color, &text))
}

fn square(color: &str, inside: &str) -> String {
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><rect width="40" height="40" rx="9" fill="#{color}"/>{inside}</svg>"##
    )
}

/// Dark ink reads better on it than white: by the relative luminance of its channels.
fn is_light(color: &str) -> bool {
    let channel = |at: usize| {
        let digits = color.get(at..at + 2).unwrap_or("00");
        u32::from_str_radix(digits, 16).unwrap_or(0)
    };
    150_000 < 299 * channel(0) + 587 * channel(2) + 114 * channel(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_is_made_for_every_icon_and_every_letter() {
        for line in ICONS.lines().filter(|it| !it.starts_with('#')) {
            let slug = line.split(' ').next().unwrap();
            assert!(icon(slug).is_some_and(|(color, _)| color.len() == 6), "{slug}");
        }
        for letter in ['a', '7', 'é', '字', '-'] {
            assert!(letter_tile(&format!("{:x}-5", u32::from(letter))).is_some(), "{letter}");
        }
        for name in ["", "x", "zz-1", "61-9", "110000-1"] {
            assert_eq!(letter_tile(name), None, "{name}");
        }
    }

    #[test]
    fn ink_is_chosen_by_how_light_the_color_is() {
        assert!(is_light("ffd700") && is_light("ffffff"));
        assert!(!is_light("000000") && !is_light("0052cc"));
    }
}
