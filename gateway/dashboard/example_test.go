package dashboard_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/gateway"
	"github.com/ekaf-go/ekaf/gateway/dashboard"
)

// A gateway in a server of one's own, with the dashboard at its root.
func Example() {
	board, err := dashboard.New(dashboard.Viewers(10))
	if err != nil {
		panic(err)
	}
	producer, err := ekaf.New(ekaf.Brokers("localhost:9092"), ekaf.OnEvent(board.Observe))
	if err != nil {
		panic(err)
	}
	defer producer.Close(context.Background())
	door, err := gateway.New(producer, board.Options()...)
	if err != nil {
		panic(err)
	}
	board.Watch(producer)
	defer board.Close()

	server := httptest.NewServer(door) // http.ListenAndServe("localhost:8080", door)
	defer server.Close()
	page, err := http.Get(server.URL)
	if err != nil {
		panic(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer page.Body.Close()
	fmt.Println(page.StatusCode, page.Header.Get("Content-Type"))
	// Output: 200 text/html; charset=utf-8
}
