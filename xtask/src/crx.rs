//! The signed package that Chrome installs by policy: CRX, version 3.

use anyhow::Result;

use crate::signing_key::SigningKey;

/// Wraps a zip: magic, version, header length, header, zip. The header is a protocol buffer; its few
/// fields are written by hand here.
pub(crate) fn sign(zip: &[u8], key: &SigningKey) -> Result<Vec<u8>> {
    // SignedData { crx_id = 1 }
    let signed_header = field(1, &key.id_bytes());
    let mut signed_text = b"CRX3 SignedData\0".to_vec();
    signed_text.extend(length(&signed_header));
    signed_text.extend_from_slice(&signed_header);
    signed_text.extend_from_slice(zip);

    // AsymmetricKeyProof { public_key = 1, signature = 2 }
    let mut proof = field(1, &key.public_der());
    proof.extend(field(2, &key.sign(&signed_text)?));

    // CrxFileHeader { sha256_with_rsa = 2, signed_header_data = 10000 }
    let mut header = field(2, &proof);
    header.extend(field(10_000, &signed_header));

    let mut crx = b"Cr24".to_vec();
    crx.extend(3_u32.to_le_bytes());
    crx.extend(length(&header));
    crx.extend(header);
    crx.extend_from_slice(zip);
    Ok(crx)
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).expect("a package is far below 4 GiB").to_le_bytes()
}

/// A length-delimited field.
fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut field = varint(number << 3 | 2);
    field.extend(varint(u32::from_le_bytes(length(bytes))));
    field.extend_from_slice(bytes);
    field
}

fn varint(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let seven = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(seven);
            return bytes;
        }
        bytes.push(seven | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    #[test]
    fn equal_zips_give_equal_packages_whose_signature_holds() {
        let key = SigningKey::read(&SigningKey::development_path()).unwrap();
        let crx = sign(b"a zip", &key).unwrap();
        assert_eq!(crx, sign(b"a zip", &key).unwrap());
        assert!(crx.starts_with(b"Cr24\x03\0\0\0"));
        assert!(crx.ends_with(b"a zip"));

        let mut text = b"CRX3 SignedData\0\x12\0\0\0\x0a\x10".to_vec();
        text.extend(key.id_bytes());
        text.extend(b"a zip");
        let public = key.public_der();
        let proof = 12 + 3 + 3 + public.len() + 3;
        let pkcs1 = public.get(24..).unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pkcs1)
            .verify(&text, crx.get(proof..proof + 256).unwrap())
            .unwrap();
    }

    #[test]
    fn numbers_are_written_as_protocol_buffers_do() {
        assert_eq!(varint(2), [2]);
        assert_eq!(varint(300), [0xac, 2]);
        assert_eq!(varint(10_000 << 3 | 2), [0x82, 0xf1, 4]);
    }
}
