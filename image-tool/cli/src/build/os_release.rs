//! `os-release` of an image.

use super::recipe::ImageSection;

/// The file's text, os-release(5).
pub(crate) fn text(image: &ImageSection, version: &str) -> String {
    let name = &image.name;
    format!(
        "NAME=\"{name}\"\nID=orlop\nVERSION=\"{version}\"\nVERSION_ID=\"{version}\"\n\
         PRETTY_NAME=\"{name} {version}\"\nIMAGE_ID=orlop\nIMAGE_VERSION=\"{version}\"\n\
         DEFAULT_HOSTNAME=orlop\n"
    )
}
