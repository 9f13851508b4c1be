package cli_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/cli"
)

// file writes a file of the test and returns its path.
func (s shell) file(name, content string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), name)
	require.NoError(s.t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestHTTPIsNotLaidOpen(t *testing.T) {
	s := newShell(t)
	tokens := s.file("tokens", "ann a-token\n")
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"beyond this machine without a token": {[]string{"--listen", "0.0.0.0:0"}, "give --token-file"},
		"every address":                       {[]string{"--listen", ":0"}, "give --token-file"},
		"a name":                              {[]string{"--listen", "gpu.example:0"}, "give --token-file"},
		"beyond this machine without TLS":     {[]string{"--listen", "0.0.0.0:0", "--token-file", tokens}, "give --tls-cert"},
		"insecure without a token":            {[]string{"--listen", "0.0.0.0:0", "--insecure"}, "give --token-file"},
		"half of TLS":                         {[]string{"--tls-cert", tokens}, "belong together"},
		"a certificate that is none":          {[]string{"--tls-cert", tokens, "--tls-key", tokens}, "--tls-cert"},
		"no address":                          {[]string{"--listen", "8787"}, "127.0.0.1:8787"},
		"no such token file":                  {[]string{"--token-file", tokens + "x"}, "no such file"},
		"no token in it":                      {[]string{"--token-file", s.file("none", "# nothing\n\n")}, "write TOKEN or NAME TOKEN"},
		"too many words":                      {[]string{"--token-file", s.file("three", "ann secret word\n")}, "line 1"},
		"our own name":                        {[]string{"--token-file", s.file("local", "local secret\n")}, "choose another"},
		"a bad name":                          {[]string{"--token-file", s.file("name", "\nann/bob secret\n")}, "line 2"},
		"two without a name":                  {[]string{"--token-file", s.file("unnamed", "secret-one\nsecret-two\n")}, "write NAME TOKEN"},
		"one token, two names":                {[]string{"--token-file", s.file("twice", "ann secret\nbob secret\n")}, "there twice"},
		"a token no header carries":           {[]string{"--token-file", s.file("umlaut", "sécret\n")}, "no header carries"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.run(append([]string{"--sandbox", "http"}, c.args...)...)
			require.Equal(t, 2, r.code, r.stdout)
			require.Contains(t, r.stderr, c.says)
			require.NotContains(t, r.stderr, "secret", "a token is never quoted")
			require.Empty(t, r.stdout)
		})
	}
}

// serving runs the http command until the test ends and returns its URL.
func (s shell) serving(args ...string) string {
	s.t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(s.t.Context()))
	out, into := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Main(ctx, append(args, "--state-dir", s.state), strings.NewReader(""), into, io.Discard, "1.2.3")
		_ = into.Close()
	}()
	said := make([]byte, 200)
	n, err := out.Read(said)
	require.NoError(s.t, err)
	s.t.Cleanup(func() {
		stop()
		require.Zero(s.t, <-ended)
	})
	_, url, ok := strings.Cut(strings.TrimSpace(string(said[:n])), " at ")
	require.True(s.t, ok, string(said[:n]))
	return url
}

// status posts an initialize and returns the answer's status.
func (s shell) status(client *http.Client, url, token string) int {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, url, strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`))
	require.NoError(s.t, err)
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	require.NoError(s.t, err)
	require.NoError(s.t, resp.Body.Close())
	return resp.StatusCode
}

func TestHTTPWithTokens(t *testing.T) {
	s := newShell(t)
	t.Setenv("VAST_MCP_HTTP_TOKEN", "from-the-environment")
	url := s.serving("--sandbox", "http", "--listen", "127.0.0.1:0")
	require.Equal(t, http.StatusUnauthorized, s.status(http.DefaultClient, url, ""))
	require.Equal(t, http.StatusOK, s.status(http.DefaultClient, url, "from-the-environment"))

	url = s.serving("--sandbox", "http", "--listen", "127.0.0.1:0", "--token-file", s.file("tokens", "ann of-ann\n"))
	require.Equal(t, http.StatusUnauthorized, s.status(http.DefaultClient, url, "from-the-environment"), "the flag wins")
	require.Equal(t, http.StatusOK, s.status(http.DefaultClient, url, "of-ann"))
	http.DefaultClient.CloseIdleConnections()
}

func TestHTTPWithTLS(t *testing.T) {
	s := newShell(t)
	cert, key, trusted := s.certificate()
	url := s.serving("--sandbox", "http", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)
	require.True(t, strings.HasPrefix(url, "https://"), url)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	require.Equal(t, http.StatusOK, s.status(&http.Client{Transport: transport}, url, ""))
	require.Equal(t, http.StatusBadRequest, s.status(http.DefaultClient, strings.Replace(url, "https", "http", 1), ""), "plain HTTP is refused")
}

// certificate makes one for 127.0.0.1.
func (s shell) certificate() (cert, key string, trusted *x509.CertPool) {
	s.t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(s.t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour)}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	require.NoError(s.t, err)
	private, err := x509.MarshalPKCS8PrivateKey(secret)
	require.NoError(s.t, err)
	pool := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(public)
	require.NoError(s.t, err)
	pool.AddCert(parsed)
	encoded := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return s.file("cert.pem", encoded("CERTIFICATE", public)), s.file("key.pem", encoded("PRIVATE KEY", private)), pool
}
