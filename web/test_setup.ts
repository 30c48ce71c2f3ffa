// Debian 12's node has no global crypto, as browsers do.
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto as Crypto;
