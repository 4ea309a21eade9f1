package main

import (
	"context"
	"io"
)

func outage(ctx context.Context, s settings, c cluster, stdout io.Writer) (any, error) {
	return nil, nil
}
