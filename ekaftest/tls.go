package ekaftest

type tlsMode uint8

type authority struct{}

func (c *Cluster) prepareTLS() error { return nil }
