package ekaf

// Version is the version of this library, as brokers are told (KIP-511).
const Version = "0.1.0"
