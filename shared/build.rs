//! Compiles the word list of `src/forms/words.txt` to hashes: a tenth of the text's work at run time and
//! half of its size in the extension.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

#[path = "src/forms/text.rs"]
mod text;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/forms/text.rs");
    println!("cargo::rerun-if-changed=src/forms/words.txt");

    let list = fs::read_to_string("src/forms/words.txt")?;
    let mut meanings: Vec<&str> = Vec::new();
    let mut phrases: Vec<(u32, u8)> = Vec::new();
    // Bit per hash of a first word that more may follow, so that most words need one look only.
    let mut openings = [0_u8; 512];
    for line in list.lines().filter(|it| !it.is_empty() && !it.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            meanings.push(name);
            continue;
        }
        let meaning =
            u8::try_from(meanings.len())?.checked_sub(1).ok_or("a phrase before any [meaning]")?;
        for phrase in line.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            let (phrase, is_prefix) =
                phrase.strip_suffix('*').map_or((phrase, false), |it| (it, true));
            let mut hash = text::HASH_START;
            let mut n_words = 0;
            text::words(phrase, |word, is_apart| {
                if n_words == 1 {
                    let bit = hash % 4096;
                    if let Some(byte) = openings.get_mut(bit as usize / 8) {
                        *byte |= 1 << (bit % 8);
                    }
                }
                if 0 < n_words && is_apart {
                    hash = text::hash(hash, b" ");
                }
                hash = text::hash(hash, word);
                n_words += 1;
            });
            // A prefix ends with a mark that no word contains.
            if is_prefix {
                hash = text::hash(hash, b"*");
            }
            phrases.push((hash, meaning));
        }
    }
    phrases.sort_unstable();
    phrases.dedup();

    // Sorted hashes as differences of three bytes each; a wider gap is bridged by an entry of no meaning.
    const BRIDGE: u8 = u8::MAX;
    let mut table = openings.to_vec();
    let mut previous = 0;
    for (hash, meaning) in phrases {
        while 0x00ff_ffff < hash - previous {
            previous += 0x00ff_ffff;
            table.extend([0xff, 0xff, 0xff, BRIDGE]);
        }
        let [low, middle, high, _] = (hash - previous).to_le_bytes();
        table.extend([low, middle, high, meaning]);
        previous = hash;
    }

    let mut names = String::from("&[");
    for name in meanings {
        write!(names, "{name:?},")?;
    }
    names.push(']');
    let out_dir = env::var("OUT_DIR")?;
    fs::write(Path::new(&out_dir).join("words.bin"), table)?;
    fs::write(Path::new(&out_dir).join("meanings.rs"), names)?;
    Ok(())
}
