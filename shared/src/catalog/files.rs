//! The catalog's files, by place and text. Still pure: whoever builds the catalog walks the folder and
//! brings the TOML reader.

use serde::de::DeserializeOwned;

use super::compile::{CompileError, DenyFile, Sources, VendorFile};
use super::entry::{Conventions, IdentityProviders};

/// One file below `catalog/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its place below the repository: `catalog/vendors/a/atlassian.toml`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Reads TOML.
pub trait Reader {
    /// The text as a `T`, or why not, with line and column.
    ///
    /// # Errors
    /// What the parser says.
    fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, String>;
}

impl Sources {
    /// Sorts the files into what they are. Files that a snapshot is not made of (license, list of
    /// sources) are left out.
    ///
    /// # Errors
    /// Every file that cannot be read or is missing.
    pub fn gather(files: &[File], reader: &impl Reader) -> Result<Sources, Vec<CompileError>> {
        let mut errors = Vec::new();
        let mut vendors = Vec::new();
        let mut denied = Vec::new();
        let mut identity_providers = None;
        let mut conventions = None;
        let mut public_suffix_list = None;
        for file in files {
            let Some(name) = file.path.strip_prefix("catalog/") else { continue };
            if name.starts_with("vendors/") {
                vendors.extend(parse(file, reader, &mut errors).map(|entry| VendorFile {
                    file: file.path.clone(),
                    text: file.text.clone(),
                    entry,
                }));
            } else if let Some(name) = name.strip_prefix("exclude/") {
                let category = name.strip_suffix(".txt").unwrap_or(name).to_owned();
                denied.push(DenyFile {
                    file: file.path.clone(),
                    category,
                    text: file.text.clone(),
                });
            } else if name == "identity_providers.toml" {
                identity_providers = parse::<IdentityProviders>(file, reader, &mut errors);
            } else if name == "conventions.toml" {
                conventions = parse::<Conventions>(file, reader, &mut errors);
            } else if name == "public_suffix_list.dat" {
                public_suffix_list = Some(file.text.clone());
            }
        }
        let all = (identity_providers, conventions, public_suffix_list);
        if let (Some(identity_providers), Some(conventions), Some(public_suffix_list)) = all
            && errors.is_empty()
        {
            return Ok(Sources {
                vendors,
                denied,
                identity_providers,
                conventions,
                public_suffix_list,
            });
        }
        if errors.is_empty() {
            errors.push(CompileError {
                file: "catalog/".to_owned(),
                line: None,
                key: "files".to_owned(),
                problem: "identity_providers.toml, conventions.toml and public_suffix_list.dat are needed"
                    .to_owned(),
            });
        }
        Err(errors)
    }
}

fn parse<T: DeserializeOwned>(
    file: &File,
    reader: &impl Reader,
    errors: &mut Vec<CompileError>,
) -> Option<T> {
    reader
        .read(&file.text)
        .map_err(|problem| {
            errors.push(CompileError {
                file: file.path.clone(),
                line: None,
                key: "TOML".to_owned(),
                problem,
            });
        })
        .ok()
}
