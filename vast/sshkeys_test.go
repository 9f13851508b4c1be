package vast_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/vast"
)

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMP alice@example"

func TestListKeys(t *testing.T) {
	alice := vast.SSHKey{ID: 660001, PublicKey: publicKey, CreatedAt: 1788123456.78}
	tests := map[string]struct {
		reply reply
		want  []vast.SSHKey
		code  vast.Code
	}{
		"array":         {fixture(t, "ssh_keys"), []vast.SSHKey{alice}, ""},
		"none":          {status(404, read(t, "ssh_keys_none")), []vast.SSHKey{}, ""},
		"none, as text": {status(404, "No SSH keys found for the user."), []vast.SSHKey{}, ""},
		"empty":         {ok(`[]`), []vast.SSHKey{}, ""},
		"old":           {ok(`{"ssh_keys":[{"id":"3","key":"ssh-rsa A","created_at":"2026-01-01"}]}`), []vast.SSHKey{{ID: 3, PublicKey: "ssh-rsa A"}}, ""},
		"refused key":   {status(404, read(t, "denied")), nil, vast.Denied},
		"proxy's page":  {status(404, "<html>No SSH keys found</html>"), nil, vast.Refused},
		"empty object":  {ok(`{}`), nil, vast.Garbled},
		"a word":        {ok(`"x"`), nil, vast.Garbled},
		"not a success": {ok(`{"success":false}`), nil, vast.Refused},
	}
	for name, tt := range tests {
		c, _ := scripted(t, tt.reply)
		keys, err := c.SSHKeys.List(t.Context())
		if tt.code != "" {
			require.ErrorIs(t, err, tt.code, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, tt.want, keys, name)
	}
}

func TestAddKey(t *testing.T) {
	c, network := scripted(t, fixture(t, "ssh_key_added"))
	key, err := c.SSHKeys.Add(t.Context(), " "+publicKey+"\n")
	require.NoError(t, err)
	require.Equal(t, vast.SSHKeyID(660001), key.ID)
	require.Equal(t, "POST", network.sent[0].method)
	require.Equal(t, "/api/v0/ssh/", network.sent[0].path)
	require.JSONEq(t, `{"ssh_key":"`+publicKey+`"}`, network.sent[0].body)
}

func TestAddKeyWithAThinAnswer(t *testing.T) {
	for _, thin := range []string{`{"success":true}`, `{"success":true,"key":{"id":660009}}`, `{"success":true,"key":null}`} {
		c, network := scripted(t, ok(thin), ok(`[{"id":1,"public_key":"`+publicKey+`"},
			{"id":660009,"public_key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMP"},
			{"id":660010,"public_key":"ssh-rsa other"}]`))
		key, err := c.SSHKeys.Add(t.Context(), publicKey)
		require.NoError(t, err)
		require.Equal(t, vast.SSHKeyID(660009), key.ID)
		require.Len(t, network.sent, 2)
	}
	c, _ := scripted(t, ok(`{"success":true}`), ok(`[]`))
	_, err := c.SSHKeys.Add(t.Context(), publicKey)
	require.ErrorIs(t, err, vast.Garbled)
	require.True(t, vast.Uncertain(err))

	c, _ = scripted(t, ok(`{"success":true}`), status(401, "{}"))
	_, err = c.SSHKeys.Add(t.Context(), publicKey)
	require.ErrorIs(t, err, vast.Denied)
	require.True(t, vast.Uncertain(err))
}

func TestOnlyPublicKeysAreSent(t *testing.T) {
	c, network := scripted(t, ok(`{"success":true}`))
	for _, wrong := range []string{
		"", "/home/alice/.ssh/id_ed25519.pub", "ssh-ed25519", "-----BEGIN OPENSSH PRIVATE KEY----- x",
		"ssh-ed25519 AAAA\nssh-rsa BBBB", "ssh-ed25519 AA\x00AA",
	} {
		_, err := c.SSHKeys.Add(t.Context(), wrong)
		require.ErrorIs(t, err, vast.Invalid, wrong)
		require.ErrorIs(t, c.SSHKeys.Attach(t.Context(), 7, wrong), vast.Invalid, wrong)
		require.NotContains(t, err.Error(), "BEGIN")
	}
	require.Empty(t, network.sent)
}

func TestKeysOfAnInstance(t *testing.T) {
	c, network := scripted(t, fixture(t, "instance_ssh_keys"))
	keys, err := c.SSHKeys.OnInstance(t.Context(), 7)
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.Equal(t, vast.SSHKeyID(660001), keys[0].ID)
	require.Equal(t, "/api/v0/instances/7/ssh/", network.sent[0].path)

	for body, n := range map[string]int{
		`{"ssh_keys":[{"id":1},{"id":2,"deleted_at":5}]}`: 1, `{"ssh_keys":"[]"}`: 0, `{"ssh_keys":""}`: 0, `{"ssh_keys":{"id":1}}`: 1,
	} {
		c, _ := scripted(t, ok(body))
		keys, err := c.SSHKeys.OnInstance(t.Context(), 7)
		require.NoError(t, err, body)
		require.Len(t, keys, n, body)
	}
	for _, body := range []string{`{}`, `{"ssh_keys":"x"}`, `{"ssh_keys":7}`} {
		c, _ := scripted(t, ok(body))
		_, err := c.SSHKeys.OnInstance(t.Context(), 7)
		require.ErrorIs(t, err, vast.Garbled, body)
	}
}

func TestAttachAndDetach(t *testing.T) {
	c, network := scripted(t, ok(`{"success":true,"msg":"SSH key attached successfully"}`), ok(`{"success":true}`), status(404, `{"error":"no_such_ssh_key"}`))
	require.NoError(t, c.SSHKeys.Attach(t.Context(), 7, publicKey))
	require.Equal(t, "/api/v0/instances/7/ssh/", network.sent[0].path)
	require.NoError(t, c.SSHKeys.Detach(t.Context(), 7, 660001))
	require.Equal(t, "DELETE", network.sent[1].method)
	require.Equal(t, "/api/v0/instances/7/ssh/660001/", network.sent[1].path)
	require.ErrorIs(t, c.SSHKeys.Detach(t.Context(), 7, 660001), vast.NotFound)
}
