package chart_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/helm"
)

var update = flag.Bool("update", false, "write the golden files")

// TestTheDefaultRendering shows what an upgrade changes: its golden file is read in reviews.
func TestTheDefaultRendering(t *testing.T) {
	const golden = "testdata/default.yaml"
	text, err := templateText(t, "")
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(text), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), text, "if it is meant so: go generate ./chart")
}

func TestTheREADMEIsGenerated(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "tool", "-modfile=../tools/helm-docs/go.mod", "helm-docs", "--chart-search-root=../../chart",
		"--template-files=README.md.gotmpl", "--sort-values-order=file", "--dry-run", "--log-level=warning").Output()
	require.NoError(t, err)
	readme, err := os.ReadFile(filepath.Join(folder, "README.md"))
	require.NoError(t, err)
	assert.Equal(t, string(readme), string(out), "go generate ./chart")
}

func TestHelmsLint(t *testing.T) {
	out, err := helm.Run(t.Context(), "lint", "--strict", "--kube-version", "1.35.4", folder)
	require.NoError(t, err, out)
}

func TestAnOldKubernetesIsRefused(t *testing.T) {
	_, err := helm.Run(t.Context(), "template", release, folder, "--kube-version", "1.29.9")
	require.ErrorIs(t, err, helm.ErrRefused)
	assert.ErrorContains(t, err, "chart requires kubeVersion: >=1.30.0-0 which is incompatible with Kubernetes v1.29.9")
}

// TestTheREADMEQuotesTheRefusals: what the policies say stands in the README as they say it.
func TestTheREADMEQuotesTheRefusals(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(folder, "README.md"))
	require.NoError(t, err)
	white := regexp.MustCompile(`\s+`)
	for _, text := range []string{badgeText("gtc.acme.sales", "alice", "gtc-prod"), syncText} {
		assert.Contains(t, white.ReplaceAllString(string(readme), " "), text)
	}
}

// authority is a certificate that the provider can trust.
func authority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	certificate := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, key.Public(), key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
