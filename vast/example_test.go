package vast_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"vast-mcp/vast"
)

// market answers as the API would, for one offer.
func market() *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v0/bundles/", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"offers":[{"id":41234567,"gpu_name":"RTX 4090","dph_total":0.4,"rentable":true}]}`)
	})
	mux.HandleFunc("PUT /api/v0/asks/{id}/", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusGone)
		io.WriteString(w, `{"success":false,"error":"no_such_ask","msg":"it is no longer available"}`)
	})
	return httptest.NewServer(mux)
}

func Example() {
	server := market()
	defer server.Close()
	ctx := context.Background()

	client, err := vast.NewClient("the-key", vast.WithBaseURL(server.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	offers, err := client.Offers.Search(ctx, vast.OfferQuery{
		Filter: vast.Filter{}.With("gpu_name", "eq", "RTX 4090").With("rentable", "eq", true),
		DiskGB: 20,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range offers {
		fmt.Printf("%d: %s at $%.2f/h\n", o.ID, o.GPUName, o.PerHour)
	}

	_, err = client.Instances.Create(ctx, offers[0].ID, vast.CreateInstance{
		Image: "vastai/pytorch", Label: "train-a", DiskGB: 20,
	})
	switch {
	case vast.Uncertain(err):
		fmt.Println("look for the label train-a")
	case errors.Is(err, vast.Taken):
		fmt.Println("gone; search again")
	}
	// Output:
	// 41234567: RTX 4090 at $0.40/h
	// gone; search again
}
