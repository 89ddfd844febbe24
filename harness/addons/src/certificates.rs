//! Certificates of webhooks. An engine that has to make its own takes its time about it; each takes
//! one that is there.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};

use crate::Error;

/// A webhook's certificate and the authority that it comes from, PEM.
pub(crate) struct WebhookCertificates {
    pub(crate) authority: String,
    pub(crate) authority_key: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl WebhookCertificates {
    /// For a Service, as pods and the API server name it.
    pub(crate) fn for_service(service: &str, namespace: &str) -> Result<Self, Error> {
        let failed = |why: rcgen::Error| Error::unmade_by("certificate", why);
        let mut authority = CertificateParams::default();
        authority
            .distinguished_name
            .push(DnType::CommonName, format!("gauntlet-{service}"));
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().map_err(failed)?);
        let authority = authority.map_err(failed)?;
        let names = [
            service.to_owned(),
            format!("{service}.{namespace}"),
            format!("{service}.{namespace}.svc"),
        ];
        let leaf = CertificateParams::new(names).map_err(failed)?;
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = leaf.signed_by(&key, &authority).map_err(failed)?;
        Ok(Self {
            authority: authority.pem(),
            authority_key: authority.key().serialize_pem(),
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}
