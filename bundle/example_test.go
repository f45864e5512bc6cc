package bundle_test

import (
	"encoding/json"
	"fmt"

	"github.com/bulkhead-dev/bulkhead/bundle"
)

func ExampleLoad() {
	b, err := bundle.Load("testdata/full")
	if err != nil {
		fmt.Println(err) // everything that is wrong, one problem a line
		return
	}
	defer b.Close()

	for _, n := range b.Graph.Nodes {
		fmt.Println(n.Kind, n.ID)
	}
	// Output:
	// executor list
	// router fan
	// executor count
	// aggregator sum
	// executor report
	// aggregator lost
}

func ExampleGraph_Expand() {
	b, err := bundle.Load("testdata/full")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()

	g, err := b.Graph.Expand(map[string]json.RawMessage{"docs": json.RawMessage(`"/srv/docs"`)})
	fmt.Println(g.Nodes[0].Executor.Command, err)

	_, err = b.Graph.Expand(map[string]json.RawMessage{"dosc": json.RawMessage(`"/srv/docs"`)})
	fmt.Println(err)
	// Output:
	// [python3 list.py /srv/docs] <nil>
	// /inputs/dosc: the bundle has no input "dosc"; did you mean "docs"?
}

func ExampleReview() {
	b, err := bundle.Load("testdata/full")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()

	lines := bundle.Review(b)
	for _, l := range lines {
		if l.Verdict != bundle.OK {
			fmt.Printf("%s %s: %s (%s)\n", l.Subject, l.Topic, l.Value, l.Why)
		}
	}
	fmt.Println("worst:", bundle.Worst(lines))
	// Output:
	// node list read: ${inputs.docs} (the operator's value decides; by default /usr/share/doc)
	// node count read: ${inputs.docs} (the operator's value decides; by default /usr/share/doc)
	// worst: look
}
