package cli

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// stateDir is the folder of the journal and of the sandbox.
func (g *globals) stateDir() (string, error) {
	if g.StateDir != "" {
		return g.StateDir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("%w; name a folder with --state-dir", err)
	}
	switch runtime.GOOS {
	case "darwin":
		return filepath.Join(home, "Library", "Application Support", "vast-mcp"), nil
	case "windows":
		if dir := os.Getenv("LocalAppData"); dir != "" {
			return filepath.Join(dir, "vast-mcp"), nil
		}
		return filepath.Join(home, "AppData", "Local", "vast-mcp"), nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "vast-mcp"), nil
	}
	return filepath.Join(home, ".local", "state", "vast-mcp"), nil
}

const (
	keyEnv = "VAST_API_KEY"
	// sessionKeyFile is where the official client keeps the key of a login with
	// two factors.
	sessionKeyFile = "vast_tfa_key"
)

// apiKey finds the key, and where it is: in the file that was named, in the
// environment, or in the files of the official client, in its order. No key is
// not an error.
func (g *globals) apiKey() (key, from string, err error) {
	if g.APIKeyFile != "" {
		key, err := readKey(g.APIKeyFile)
		if err == nil && key == "" {
			err = fmt.Errorf("%s is empty", g.APIKeyFile)
		}
		return key, g.APIKeyFile, err
	}
	if key := strings.TrimSpace(os.Getenv(keyEnv)); key != "" {
		key, err := checkKey(key, keyEnv)
		return key, keyEnv, err
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", "", nil //nolint:nilerr // without a home there are no files to look in
	}
	config := filepath.Join(home, ".config")
	if dir := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		config = dir
	}
	for _, path := range []string{
		filepath.Join(config, "vastai", sessionKeyFile), filepath.Join(config, "vastai", "vast_api_key"), filepath.Join(home, ".vast_api_key"),
	} {
		key, err := readKey(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || key != "" {
			return key, path, err
		}
	}
	return "", "", nil
}

func readKey(path string) (string, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the file that the owner named
	if err != nil {
		return "", fmt.Errorf("reading the API key: %w", err)
	}
	return checkKey(strings.TrimSpace(string(data)), path)
}

// maxKey is far above any key's length: what is longer is another file.
const maxKey = 512

// checkKey refuses what would break a header. It never quotes the key.
func checkKey(key, from string) (string, error) {
	bad := func(r rune) bool { return r <= ' ' || r > '~' }
	if len(key) > maxKey || strings.ContainsFunc(key, bad) {
		return "", fmt.Errorf("what %s holds is not an API key: it has blanks, line breaks or odd characters", from)
	}
	return key, nil
}

// fingerprint names a key without giving it away.
func fingerprint(key string) string {
	sum := sha256.Sum256([]byte("vast-mcp key " + key))
	return hex.EncodeToString(sum[:6])
}

const secretBytes = 32

// stateKey reads the secret that arguments are hashed with, making it when the
// folder is new.
func stateKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, "key")
	if key, err := os.ReadFile(path); err == nil && len(key) == secretBytes { //nolint:gosec // our own state folder
		return key, nil
	} else if err == nil {
		return nil, fmt.Errorf("%s is damaged: delete it to get a new one; open quotes are void then", path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key := make([]byte, secretBytes)
	_, _ = rand.Read(key) // never fails: crypto/rand aborts the program instead
	temp, err := os.CreateTemp(dir, "key-*")
	if err != nil {
		return nil, err
	}
	_, err = temp.Write(key)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		// Link, not rename: of two processes that start together one loses,
		// and both use what the other wrote.
		err = os.Link(temp.Name(), path)
	}
	_ = os.Remove(temp.Name())
	if errors.Is(err, fs.ErrExist) {
		return os.ReadFile(path) //nolint:gosec // our own state folder
	}
	return key, err
}
