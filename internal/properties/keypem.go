package properties

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
)

var (
	errKeyPassword   = errors.New("cannot open the private key: ssl.key.password is wrong")
	errKeyNoPassword = errors.New("the private key is encrypted: give ssl.key.password")
)

// keyFromPEM reads a chain and its key, encrypted or not.
func keyFromPEM(chainText, keyText []byte, password string) (*tls.Certificate, error) {
	certificates, err := certificatesFromPEM(chainText)
	if err != nil {
		return nil, err
	}
	if len(certificates) == 0 {
		return nil, errors.New("it holds no certificate")
	}
	key, err := privateKeyFromPEM(keyText, password)
	if err != nil {
		return nil, err
	}
	var chain [][]byte
	for _, c := range certificates {
		chain = append(chain, c.Raw)
	}
	return pair(chain, key)
}

func privateKeyFromPEM(text []byte, password string) (any, error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, errors.New("it holds no private key")
		}
		switch block.Type {
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			return plainKey(block, password)
		case "ENCRYPTED PRIVATE KEY":
			return encryptedKey(block.Bytes, password)
		}
	}
}

func plainKey(block *pem.Block, password string) (any, error) {
	der := block.Bytes
	//lint:ignore SA1019 openssl's old encryption is weak, but files made with it exist and must be read
	if x509.IsEncryptedPEMBlock(block) {
		if password == "" {
			return nil, errKeyNoPassword
		}
		var err error
		//lint:ignore SA1019 as above
		if der, err = x509.DecryptPEMBlock(block, []byte(password)); err != nil {
			return nil, errKeyPassword
		}
	}
	return parseKey(der)
}

func parseKey(der []byte) (any, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	return nil, errors.New("the private key cannot be read: it must be an RSA, EC or Ed25519 key")
}

// The structures of PBES2, RFC 8018 appendix A, inside a PKCS #8
// EncryptedPrivateKeyInfo, RFC 5958. Go's standard library reads none of them.
type (
	encryptedInfo struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2Parameters struct {
		Derivation pkix.AlgorithmIdentifier
		Cipher     pkix.AlgorithmIdentifier
	}
	pbkdf2Parameters struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}

	prfs = map[string]func() hash.Hash{
		"":                    sha1.New, // the default of RFC 8018
		"1.2.840.113549.2.7":  sha1.New,
		"1.2.840.113549.2.9":  sha256.New,
		"1.2.840.113549.2.10": sha512.New384,
		"1.2.840.113549.2.11": sha512.New,
	}

	keyCiphers = map[string]struct {
		keyBytes int
		block    func([]byte) (cipher.Block, error)
	}{
		"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
		"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
		"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
		"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
	}
)

// maxIterations bounds the work that a damaged file can ask for; openssl writes 2,048, Java 10,000.
const maxIterations = 10_000_000

func encryptedKey(der []byte, password string) (any, error) {
	if password == "" {
		return nil, errKeyNoPassword
	}
	var info encryptedInfo
	var scheme pbes2Parameters
	var derivation pbkdf2Parameters
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, fmt.Errorf("cannot read the encrypted private key: %w", err)
	}
	if !info.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, errors.New("cannot open the private key: only PBES2 encryption is read; write it anew with openssl pkcs8 -topk8 -v2 aes-256-cbc")
	}
	if _, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &scheme); err != nil {
		return nil, fmt.Errorf("cannot read the encrypted private key: %w", err)
	}
	if !scheme.Derivation.Algorithm.Equal(oidPBKDF2) {
		return nil, errors.New("cannot open the private key: its key derivation is not PBKDF2")
	}
	if _, err := asn1.Unmarshal(scheme.Derivation.Parameters.FullBytes, &derivation); err != nil {
		return nil, fmt.Errorf("cannot read the encrypted private key: %w", err)
	}
	plain, err := decryptPBES2(info.Data, scheme, derivation, password)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, errKeyPassword
	}
	return key, nil
}

func decryptPBES2(data []byte, scheme pbes2Parameters, derivation pbkdf2Parameters, password string) ([]byte, error) {
	prf, known := prfs[derivation.PRF.Algorithm.String()]
	kind, knownCipher := keyCiphers[scheme.Cipher.Algorithm.String()]
	if !known || !knownCipher {
		return nil, errors.New("cannot open the private key: its cipher is not AES-CBC or 3DES-CBC")
	}
	if derivation.Iterations < 1 || derivation.Iterations > maxIterations {
		return nil, fmt.Errorf("cannot open the private key: it asks for %d iterations", derivation.Iterations)
	}
	var iv []byte
	if _, err := asn1.Unmarshal(scheme.Cipher.Parameters.FullBytes, &iv); err != nil {
		return nil, fmt.Errorf("cannot read the encrypted private key: %w", err)
	}
	secret, err := pbkdf2.Key(prf, password, derivation.Salt, derivation.Iterations, kind.keyBytes)
	if err != nil {
		return nil, fmt.Errorf("cannot open the private key: %w", err)
	}
	block, err := kind.block(secret)
	if err != nil {
		return nil, fmt.Errorf("cannot open the private key: %w", err)
	}
	if len(iv) != block.BlockSize() || len(data) == 0 || len(data)%block.BlockSize() != 0 {
		return nil, errors.New("cannot open the private key: it is damaged")
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	return unpad(plain, block.BlockSize())
}

// unpad takes off PKCS #7 padding; bad padding is how a wrong password shows.
func unpad(plain []byte, blockSize int) ([]byte, error) {
	n := int(plain[len(plain)-1])
	if n < 1 || n > blockSize || n > len(plain) {
		return nil, errKeyPassword
	}
	for _, b := range plain[len(plain)-n:] {
		if int(b) != n {
			return nil, errKeyPassword
		}
	}
	return plain[:len(plain)-n], nil
}
