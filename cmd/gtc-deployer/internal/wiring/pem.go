package wiring

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// publicKeys are the keys of a PEM text, each as a PEM text of the one form that Vault reads: "PUBLIC KEY". A private key is a fault: it
// must never be sent along by mistake.
func publicKeys(text string) ([]string, error) {
	var keys []string
	err := eachBlock(text, func(block *pem.Block) error {
		key, err := publicKey(block)
		if err != nil {
			return err
		}
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return errors.New("it holds a key of a kind that signs no tokens")
		}
		keys = append(keys, strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))))
		return nil
	})
	return keys, err
}

func publicKey(block *pem.Block) (key any, err error) {
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = certificate.PublicKey
		}
	default:
		return nil, fmt.Errorf("it is a %.40q; it must be a PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("there is no %s in it", block.Type)
	}
	return key, nil
}

func checkCertificates(text string) error {
	return eachBlock(text, func(block *pem.Block) error {
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("it is a %.40q; it must be a CERTIFICATE", block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return errors.New("there is no CERTIFICATE in it")
		}
		return nil
	})
}

// eachBlock goes through a text that holds at least one PEM block, and after the last one nothing but white space.
func eachBlock(text string, do func(*pem.Block) error) error {
	rest := []byte(text)
	for n := 1; ; n++ {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		switch {
		case block == nil && n == 1:
			return errors.New("it holds no PEM block")
		case block == nil && len(bytes.TrimSpace(rest)) > 0:
			return fmt.Errorf("after PEM block %d stands something that is none: is the file cut short?", n-1)
		case block == nil:
			return nil
		}
		if err := do(block); err != nil {
			return fmt.Errorf("PEM block %d: %w", n, err)
		}
	}
}
