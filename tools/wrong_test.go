package tools_test

import (
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
)

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMdC5U6fRk7xBc0ZCJOCTFBsNq9jvSw7l8bTMNMM3gbS alice@example"

// TestWrongInput: a clear error that names the field and the next step, and
// nothing changed.
func TestWrongInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		offer := r.Offer("RTX 4090")
		for _, c := range []struct {
			tool, args string
			code       tool.Code
			says       string
		}{
			{"search_offers", `{"gpu_name":["RTX 4090"]}`, tool.InvalidArguments, `did you mean "gpu_names"?`},
			{"search_offers", `{"num_gpus":"two"}`, tool.InvalidArguments, "num_gpus: got string, want integer"},
			{"search_offers", `{"disk_gb":-1}`, tool.InvalidArguments, "disk_gb: got -1, want at least 8"},
			{"search_offers", `{"gpu_names":["RTX 9090"]}`, tool.InvalidArguments, `no GPU is called "RTX 9090"`},
			{"search_offers", `{"regions":["Swedn"]}`, tool.InvalidArguments, `there is no region "Swedn"`},
			{"search_offers", `{"strategy":"luckiest"}`, tool.InvalidArguments, "strategy: value must be one of"},
			{"search_offers", `{"query":{"gpu_ram":24}}`, tool.InvalidArguments, "query.gpu_ram"},
			{"search_offers", `{"query":{"gpu_ram":{"atleast":24}}}`, tool.InvalidArguments, "atleast"},
			{"search_offers", `{"query":{"nonsense_field":{"eq":1}}}`, tool.InvalidArguments, "nonsense_field"},
			{"search_offers", `[1]`, tool.InvalidArguments, "not a JSON object"},
			{"search_offers", "{\"gpu_names\":[\"\xff\xfe\"]}", tool.InvalidArguments, "UTF-8"},
			{"create_instance", create(offer, `,"onstart":"`+strings.Repeat("x", 120_000)+`"`), tool.InvalidArguments, "120"},
			{"create_instance", create(offer, `,"label":"`+strings.Repeat("x", 300)+`"`), tool.InvalidArguments, "label: is 300 bytes long"},
			{"create_instance", create(offer, `,"label":"a [vm:0 b"`), tool.InvalidArguments, "marks a lease"},
			{"create_instance", create(offer, `,"disk_gb":-3`), tool.InvalidArguments, "disk_gb"},
			{"create_instance", create(offer, `,"disk_gb":999999`), tool.InvalidArguments, "GB free"},
			{"create_instance", create(offer, `,"ports":["http"]`), tool.InvalidArguments, `"http" is not a port`},
			{"create_instance", create(offer, `,"env":{"A B":"1"}`), tool.InvalidArguments, "not the name of a variable"},
			{"create_instance", create(offer, `,"bid_dollars_per_hour":0.001`), tool.InvalidArguments, "wins now"},
			{"create_instance", create(offer, `,"run_type":"args","onstart":"x"`), tool.InvalidArguments, "does not run"},
			{"create_instance", create(offer, `,"lease_hours":1000`), tool.OverPolicy, "longer than the 168 h"},
			{"create_instance", create(1, ``), tool.OfferGone, "this call rented nothing"},
			{"create_instance", fmt.Sprintf(`{"offer_id":%d}`, offer), tool.InvalidArguments, "neither image nor template_hash"},
			{"create_instance", fmt.Sprintf(`{"offer_id":%d,"template_hash":"00000000000000000000000000000000"}`, offer), tool.NotFound, ""},
			{"create_instance", `{"image":"x"}`, tool.InvalidArguments, "offer_id is required"},
			{"get_instance", `{"instance_id":7}`, tool.NotFound, ""},
			{"stop_instance", `{"instance_id":7}`, tool.NotFound, ""},
			{"start_instance", `{"instance_id":7}`, tool.NotFound, ""},
			{"reboot_instance", `{"instance_id":7}`, tool.NotFound, ""},
			{"label_instance", `{"instance_id":7,"label":"x"}`, tool.NotFound, ""},
			{"get_logs", `{"instance_id":7}`, tool.NotFound, ""},
			{"wait_for_instance", `{"instance_id":7}`, tool.NotFound, ""},
			{"destroy_instance", `{"instance_ids":[7]}`, tool.NotFound, ""},
			{"destroy_instance", `{"instance_ids":[]}`, tool.InvalidArguments, "want at least 1"},
			{"list_instances", `{"cursor":"x"}`, tool.InvalidArguments, "cursor"},
			{"add_ssh_key", `{"public_key":"hello"}`, tool.InvalidArguments, "not one public SSH key"},
			{"add_ssh_key", `{"public_key":"/home/me/.ssh/id_ed25519.pub"}`, tool.InvalidArguments, "not one public SSH key"},
			{"add_ssh_key", fmt.Sprintf(`{"public_key":%q}`, privateKey(t)), tool.InvalidArguments, "PRIVATE key"},
			{"attach_ssh_key", `{"instance_id":7}`, tool.InvalidArguments, "either public_key or key_id"},
			{"attach_ssh_key", `{"instance_id":7,"key_id":1}`, tool.NotFound, "no SSH key 1"},
			{"attach_ssh_key", `{"instance_id":7,"public_key":"` + publicKey + `"}`, tool.NotFound, ""},
			{"detach_ssh_key", `{"instance_id":7,"key_id":1}`, tool.NotFound, ""},
		} {
			f := r.Fails(c.code, c.tool, c.args)
			require.Contains(t, f.Message, c.says)
			require.LessOrEqual(t, len(f.Message)+len(f.Next), 700, f.Message)
		}
		require.Empty(t, r.Machines())
		require.Zero(t, r.Requests("PUT", "/asks/"))
		require.Zero(t, r.Requests("POST", "/ssh/"))
	})
}

func privateKey(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(key, "")
	require.NoError(t, err)
	return "-----BEGIN " + block.Type + "-----\n" + fmt.Sprintf("%x", block.Bytes)
}

func TestWithoutAKeyEveryToolSaysHowToGetOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{NoKey: true})
		args := map[string]string{
			"create_instance": create(5, ""), "extend_lease": `{"instance_id":1,"lease_hours":1}`, "destroy_instance": `{"instance_ids":[1]}`, "label_instance": `{"instance_id":1,"label":"x"}`,
			"add_ssh_key": `{"public_key":"` + publicKey + `"}`, "attach_ssh_key": `{"instance_id":1,"public_key":"` + publicKey + `"}`,
			"detach_ssh_key": `{"instance_id":1,"key_id":1}`,
			"search_offers":  `{}`, "list_gpus": `{}`, "list_instances": `{}`, "list_leases": `{}`, "list_orphans": `{}`, "list_ssh_keys": `{}`, "get_account": `{}`, "get_spending": `{}`,
		}
		for _, x := range all() {
			a, given := args[x.Name]
			if !given {
				a = `{"instance_id":1}`
			}
			f := r.Fails(tool.NoKey, x.Name, a)
			require.Contains(t, f.Message, "key")
			require.Contains(t, f.Next, "VAST_API_KEY")
		}
		require.Zero(t, r.Requests("GET", "/")+r.Requests("POST", "/")+r.Requests("PUT", "/"), "nothing is sent without a key")
	})
}

func TestAWrongKeyIsSaidToBeOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const canary = "canary-key-0123456789"
		r := rig.New(t, rig.Options{Key: canary})
		f := r.Fails(tool.AccessDenied, "list_instances", `{}`)
		require.NotContains(t, f.Message+f.Next+r.Log.String(), canary)
	})
}

func TestSecretsNeverLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		const canary = "canary-secret-value"
		args := create(r.Offer("RTX 4090"), `,"env":{"HF_TOKEN":"`+canary+`"},"onstart":"echo `+canary+`","image_login":"-u me -p `+canary+` ghcr.io"`)
		first := r.Call("create_instance", args)
		r.Approve()
		second := r.Call("create_instance", args)
		id := decode(t, second).InstanceID
		waitFor(t, r, id, "ready")
		for _, res := range []tool.Result{first, second, r.Call("get_instance", fmt.Sprintf(`{"instance_id":%d}`, id)), r.Call("list_instances", `{}`)} {
			require.NotContains(t, string(res.Structured), canary)
			require.NotContains(t, string(res.Structured), "jupyter_token")
			require.NotContains(t, string(res.Structured), "api_key")
		}
		require.NotContains(t, r.Log.String(), canary)
	})
}

func TestModeModelNamesTheQuote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Mode: guard.Model})
		offer := r.Offer("RTX 4090")
		needs := decode(t, r.Call("create_instance", create(offer, "")))
		require.Equal(t, tool.ApprovalNeeded, needs.Status)
		other := create(offer, fmt.Sprintf(`,"disk_gb":64,"approval":%q`, needs.Quote.QuoteID))
		r.Fails(tool.OtherCall, "create_instance", other)
		r.Fails(tool.OtherCall, "create_instance", create(offer, `,"approval":"q_guess"`))
		got := decode(t, r.Call("create_instance", create(offer, fmt.Sprintf(`,"approval":%q`, needs.Quote.QuoteID))))
		require.Equal(t, tool.Done, got.Status)
		require.Len(t, r.Machines(), 1)
	})
}
