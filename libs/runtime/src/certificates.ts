import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { type Secret } from '@countersign/crypto';

const BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * The rule that a list of certificate authorities violates. Accepts an expired one together with its successor.
 * @returns a rule to append to the setting's name, without any of the text; undefined when the list is valid
 */
export function authoritiesFault(pem: string, now: number): string | undefined {
  const certificates = parseCertificates(pem);
  if (certificates === undefined) return 'must be certificates in PEM';
  return certificates.some((one) => isValid(one, now)) ? undefined : 'has no certificate that is valid today';
}

/**
 * The rule that a certificate (the first of its chain) or its key violates.
 * @returns the name of the setting with its rule; undefined when both are valid or both are missing
 */
export function identityFault(
  names: { readonly cert: string; readonly key: string },
  cert: string | undefined,
  key: Secret | undefined,
  now: number,
): string | undefined {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined) return `${names.cert} must be set when ${names.key} is`;
  if (key === undefined) return `${names.key} must be set when ${names.cert} is`;
  const [first] = parseCertificates(cert) ?? [];
  if (first === undefined) return `${names.cert} must be a certificate in PEM`;
  if (!isValid(first, now)) return `${names.cert} must be valid today: it has expired, or is not valid yet`;
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(key.reveal());
  } catch {
    return `${names.key} must be a private key in PEM, without a passphrase`;
  }
  return first.checkPrivateKey(privateKey) ? undefined : `${names.key} must be the key of ${names.cert}`;
}

/** The certificates in a text; undefined when there is none, or one that is invalid. */
export function parseCertificates(pem: string): readonly X509Certificate[] | undefined {
  const blocks = pem.match(BLOCK);
  if (blocks === null) return undefined;
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    return undefined;
  }
}

const isValid = (certificate: X509Certificate, now: number): boolean =>
  Date.parse(certificate.validFrom) <= now && now <= Date.parse(certificate.validTo);
