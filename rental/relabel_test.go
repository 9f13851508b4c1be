package rental_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/journal"
	"vast-mcp/rental"
)

// body reads a request and leaves it as it was.
func body(req *http.Request) string {
	if req.Body == nil {
		return ""
	}
	data, err := io.ReadAll(req.Body)
	req.Body = io.NopCloser(bytes.NewReader(data))
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// TestALabelThatIsNotKeptStartsNothing: the lease was taken with a smile and is
// not there when it is read back.
func TestALabelThatIsNotKeptStartsNothing(t *testing.T) {
	deaf := false
	lose := func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if deaf && req.Method == http.MethodPut && strings.Contains(body(req), `"label"`) {
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"success":true}`)), Request: req}, nil
			}
			return next.RoundTrip(req)
		})
	}
	on(t, rig.Options{Transport: lose}, func(t *testing.T, b *bench) {
		t.Helper()
		id := b.stopped("RTX 4090")
		b.ask("start_instance", one(id))
		deaf = true
		f := b.Fails(tool.RefusedByAPI, "start_instance", one(id))
		require.Contains(t, f.Message, "keeps another")
		require.True(t, rental.Stopped(b.row(id)))
		for _, in := range b.counting() {
			require.NotEqual(t, guard.KindStart, in.Kind)
		}
		b.Fails(tool.RefusedByAPI, "label_instance", fmt.Sprintf(`{"instance_id":%d,"label":"x"}`, id))
		deaf = false
		require.Equal(t, tool.Done, b.answer(b.Call("start_instance", one(id))).Status, "the yes still stands")
	})
}

// TestAStartAndANewTextSideBySide: the one writes the lease, the other the text,
// in one field; neither takes away what the other wrote.
func TestAStartAndANewTextSideBySide(t *testing.T) {
	slow := func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			<-time.After(time.Second)
			return next.RoundTrip(req)
		})
	}
	for late := range 6 {
		t.Run(fmt.Sprint(late), func(t *testing.T) {
			on(t, rig.Options{Transport: slow}, func(t *testing.T, b *bench) {
				t.Helper()
				id := b.stopped("RTX 4090")
				b.ask("start_instance", one(id))
				var wg sync.WaitGroup
				wg.Go(func() {
					<-time.After(time.Duration(late) * time.Second)
					b.Call("label_instance", fmt.Sprintf(`{"instance_id":%d,"label":"renamed"}`, id))
				})
				require.Equal(t, tool.Done, b.answer(b.Call("start_instance", one(id))).Status)
				wg.Wait()
				text, tail, ok := rental.ParseLabel(b.row(id).Label)
				require.True(t, ok)
				require.Equal(t, "renamed", text)
				var started bool
				for _, in := range b.counting() {
					started = started || in.Kind == guard.KindStart && in.State == journal.Rented && in.Nonce == tail.Nonce && in.Until.Equal(tail.Until)
				}
				require.True(t, started, "the lease in the label is the start's")
			})
		})
	}
}

// TestALabelWithoutRoom: what an owner wrote is kept whole, or nothing is
// started.
func TestALabelWithoutRoom(t *testing.T) {
	on(t, rig.Options{}, func(t *testing.T, b *bench) {
		t.Helper()
		id := b.foreign("RTX 3090", strings.Repeat("x", 200))
		require.NoError(t, b.Client.Instances.SetLabel(t.Context(), id, strings.Repeat("x", 1000)))
		require.NoError(t, b.Client.Instances.Stop(t.Context(), id))
		b.until(id, rental.Stopped)
		f := b.Fails(tool.InvalidArguments, "start_instance", one(id))
		require.Contains(t, f.Message, "too long to carry a lease")

		require.NoError(t, b.Client.Instances.SetLabel(t.Context(), id, strings.Repeat("x", 900)))
		b.ask("start_instance", one(id))
		require.NoError(t, b.Client.Instances.SetLabel(t.Context(), id, strings.Repeat("x", 1000)))
		b.Break("start:before:500:9") // it must not come to that
		b.Fails(tool.InvalidArguments, "start_instance", one(id))
		require.Len(t, b.row(id).Label, 1000)
	})
}
