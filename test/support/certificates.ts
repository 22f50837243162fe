import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generate } from "selfsigned";

/** A certificate and its key, in PEM. */
export type Certificate = { readonly cert: string; readonly key: string };

/** A certificate authority. Its certificates are valid for a day. */
export type Authority = {
  readonly cert: string;
  /** Signs a certificate for a server on this machine, or for a client with this name. */
  sign(name: string): Promise<Certificate>;
};

const DAY_MS = 86_400_000;

const EC = { keyType: "ec", algorithm: "sha256" } as const;

/** Makes a new certificate authority. */
export async function makeAuthority(): Promise<Authority> {
  const { cert, private: key } = await generate([{ name: "commonName", value: "a test's own" }], {
    ...EC,
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true },
    ],
  });
  return {
    cert,
    async sign(name) {
      const signed = await generate([{ name: "commonName", value: name }], {
        ...EC,
        ca: { key, cert },
        notAfterDate: new Date(Date.now() + DAY_MS),
        extensions: [
          {
            name: "subjectAltName",
            altNames: [
              { type: 2, value: name },
              { type: 7, ip: "127.0.0.1" },
            ],
          },
        ],
      });
      return { cert: signed.cert, key: signed.private };
    },
  };
}

/** Writes a certificate to a folder, and gives the environment variables that name it. */
export async function writeCertificate(
  folder: string,
  { cert, key }: Certificate,
): Promise<{ TLS_CERT: string; TLS_KEY: string }> {
  const [TLS_CERT, TLS_KEY] = [join(folder, "server.crt"), join(folder, "server.key")];
  await Promise.all([writeFile(TLS_CERT, cert), writeFile(TLS_KEY, key)]);
  return { TLS_CERT, TLS_KEY };
}
