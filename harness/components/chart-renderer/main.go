// Renders a Helm chart with its own values, by Helm's own engine, as it is installed for the first
// time. `chart-renderer CHART RELEASE`: the namespace is called as the release is.
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
)

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("a chart and a release have to be named"))
	}
	rendered, err := renderChart(os.Args[1], os.Args[2])
	if err != nil {
		fail(err)
	}
	fmt.Print(joinManifests(rendered))
}

// renderChart gives every template's text, by the template's name.
func renderChart(folder, release string) (map[string]string, error) {
	chart, err := loader.Load(folder)
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	if err := chartutil.ProcessDependencies(chart, values); err != nil {
		return nil, err
	}
	options := common.ReleaseOptions{Name: release, Namespace: release, Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(chart, values, options, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(chart, all)
}

// joinManifests makes one manifest of all templates that are manifests and came to something.
func joinManifests(rendered map[string]string) string {
	names := make([]string, 0, len(rendered))
	for name, text := range rendered {
		if strings.HasSuffix(name, ".yaml") && strings.TrimSpace(text) != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var all strings.Builder
	for _, name := range names {
		fmt.Fprintf(&all, "---\n# %s\n%s\n", name, strings.Trim(rendered[name], "\n"))
	}
	return all.String()
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
