//! OCI images, registries, the content store, UKIs.
