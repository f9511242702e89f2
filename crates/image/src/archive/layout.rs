//! OCI image layout (image-layout.md): `oci-layout`, `index.json`, `blobs/<algorithm>/<hex>`.

use super::Store;
use crate::digest::{Algorithm, Digest};
use crate::error::ImageError;
use crate::json::{Value, parse_object};
use crate::manifest::{Descriptor, Document, OCI_INDEX, is_document, parse_document};
use crate::printable;
use crate::source::{Blob, Resolved};

/// The annotation that carries a tag inside a layout (annotations.md).
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

pub(crate) struct Layout {
    store: Store,
    place: String,
    tag: Option<String>,
}

impl Layout {
    /// # Errors
    /// `NotFound` if there is no `oci-layout`, `Malformed` for another version than 1.0.x.
    pub(crate) fn open(
        store: Store,
        place: String,
        tag: Option<String>,
    ) -> Result<Self, ImageError> {
        let Some(mark) = store.document("oci-layout")? else {
            return Err(ImageError::NotFound { what: "the file oci-layout".to_owned(), place });
        };
        let what = format!("oci-layout of {place}");
        let mark = parse_object(&mark).map_err(ImageError::malformed(&what))?;
        match mark.get("imageLayoutVersion") {
            Some(Value::String(version)) if version.starts_with("1.0.") => {}
            _ => return Err(ImageError::container(what, "its version is not 1.0")),
        }
        Ok(Self { store, place, tag })
    }

    /// Whether a store looks like a layout at all.
    pub(crate) fn is_in(store: &Store) -> Result<bool, ImageError> {
        Ok(store.document("oci-layout")?.is_some() && store.document("index.json")?.is_some())
    }

    pub(crate) fn resolve(&self) -> Result<Resolved, ImageError> {
        let what = format!("index.json of {}", self.place);
        let Some(bytes) = self.store.document("index.json")? else {
            let (what, place) = ("index.json".to_owned(), self.place.clone());
            return Err(ImageError::NotFound { what, place });
        };
        let (document, _) =
            parse_document(&bytes, Some(OCI_INDEX)).map_err(ImageError::malformed(&what))?;
        let Document::Index(index) = document else {
            return Err(ImageError::container(what, "it is not an index"));
        };
        let chosen = self.choose(&index.manifests)?;
        if !is_document(&chosen.media_type) {
            let why = format!("its entry has the media type {}", chosen.media_type);
            return Err(ImageError::container(what, why));
        }
        self.document(chosen)
    }

    fn choose<'m>(&self, manifests: &'m [Descriptor]) -> Result<&'m Descriptor, ImageError> {
        let named = |descriptor: &&Descriptor| match &self.tag {
            Some(tag) => descriptor.annotations.get(REF_NAME) == Some(tag),
            None => true,
        };
        let mut found = manifests.iter().filter(named);
        let what = match &self.tag {
            Some(tag) => format!("tag {}", printable(tag)),
            None => "an image".to_owned(),
        };
        let first = found.next().ok_or_else(|| ImageError::NotFound {
            what: what.clone(),
            place: self.place.clone(),
        })?;
        if found.any(|other| other.digest != first.digest) {
            return Err(ImageError::container(
                &self.place,
                "it holds several images, so name one by its tag",
            ));
        }
        Ok(first)
    }

    /// Reads a document by descriptor, checking digest and size.
    pub(crate) fn document(&self, descriptor: &Descriptor) -> Result<Resolved, ImageError> {
        let name = descriptor.digest.layout_path();
        let bytes = self.store.document(&name)?.ok_or_else(|| self.absent(&descriptor.digest))?;
        let found = Digest::of(descriptor.digest.algorithm(), &bytes);
        Resolved::checked(descriptor, bytes, found, &self.place)
    }

    pub(crate) fn blob(&self, descriptor: &Descriptor) -> Result<Blob, ImageError> {
        let blob = self.store.open(&descriptor.digest.layout_path())?;
        blob.ok_or_else(|| self.absent(&descriptor.digest))
    }

    fn absent(&self, digest: &Digest) -> ImageError {
        ImageError::NotFound { what: digest.to_string(), place: self.place.clone() }
    }
}

/// The digest every layout must be able to name; here so that nobody guesses another algorithm for new blobs.
pub(crate) const NEW_BLOBS: Algorithm = Algorithm::Sha256;
