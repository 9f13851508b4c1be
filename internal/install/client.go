package install

import "slices"

// Client is one MCP client that the server can be installed in. Make them with
// Clients.
type Client struct {
	ID   string // as on the command line
	Name string // as people call it

	section string
	format  format
	file    func(Place) string
	fields  func(Server) []field
	add     []string // the client's own command for adding a server
}

// Clients lists what the server can be installed in.
func Clients() []Client {
	return []Client{
		{
			ID: "claude-code", Name: "Claude Code", section: "mcpServers", format: jsonc{}, fields: stdio,
			file: func(p Place) string { return p.join(p.folder("CLAUDE_CONFIG_DIR", p.Home), ".claude.json") },
			add:  []string{"claude", "mcp", "add", "--scope", "user"},
		},
		{ID: "claude-desktop", Name: "Claude Desktop", section: "mcpServers", format: jsonc{}, fields: plain, file: claudeDesktop},
		{
			ID: "cursor", Name: "Cursor", section: "mcpServers", format: jsonc{}, fields: plain,
			file: func(p Place) string { return p.join(p.Home, ".cursor", "mcp.json") },
		},
		{
			ID: "vscode", Name: "VS Code", section: "servers", format: jsonc{}, fields: stdio,
			file: func(p Place) string { return p.join(p.appData(), "Code", "User", "mcp.json") },
		},
		{
			ID: "windsurf", Name: "Windsurf", section: "mcpServers", format: jsonc{}, fields: plain,
			file: func(p Place) string { return p.join(p.Home, ".codeium", "windsurf", "mcp_config.json") },
		},
		{
			ID: "codex", Name: "Codex", section: "mcp_servers", format: tomlText{}, fields: codex,
			file: func(p Place) string { return p.join(p.folder("CODEX_HOME", p.Home, ".codex"), "config.toml") },
			add:  []string{"codex", "mcp", "add"},
		},
		{
			ID: "gemini", Name: "Gemini CLI", section: "mcpServers", format: jsonc{}, fields: plain,
			file: func(p Place) string { return p.join(p.folder("GEMINI_CLI_HOME", p.Home), ".gemini", "settings.json") },
		},
		{
			ID: "copilot", Name: "Copilot CLI", section: "mcpServers", format: jsonc{}, fields: copilot,
			file: func(p Place) string {
				return p.join(p.folder("COPILOT_HOME", p.Home, ".copilot"), "mcp-config.json")
			},
		},
		{ID: "opencode", Name: "opencode", section: "mcp", format: jsonc{}, fields: opencode, file: opencodeFile},
		{ID: "zed", Name: "Zed", section: "context_servers", format: jsonc{}, fields: plain, file: zed},
		{ID: "cline", Name: "Cline", section: "mcpServers", format: jsonc{}, fields: plain, file: cline},
	}
}

// Path is the client's file in that place. It need not exist.
func (c Client) Path(p Place) string { return c.file(p) }

// Command is the client's own command line for adding the server, without a
// key; empty for clients that have none.
func (c Client) Command(s Server) []string {
	if c.add == nil {
		return nil
	}
	return slices.Concat(c.add, []string{s.Name, "--", s.Command}, s.Args)
}

// claudeDesktop on Windows comes as a package, for which Windows puts another
// folder in the place of AppData.
func claudeDesktop(p Place) string {
	const name = "claude_desktop_config.json"
	if p.OS == "windows" {
		local := p.folder("LOCALAPPDATA", p.Home, "AppData", "Local")
		packaged := p.join(local, "Packages", "Claude_pzs8sxrjxfjjc", "LocalCache", "Roaming", "Claude")
		if p.Exists(packaged) {
			return p.join(packaged, name)
		}
	}
	return p.join(p.appData(), "Claude", name)
}

func opencodeFile(p Place) string {
	file := p.join(p.config(), "opencode", "opencode.json")
	if !p.Exists(file) && p.Exists(file+"c") {
		return file + "c"
	}
	return file
}

func zed(p Place) string {
	switch p.OS {
	case "windows":
		return p.join(p.appData(), "Zed", "settings.json")
	case "darwin":
		return p.join(p.Home, ".config", "zed", "settings.json")
	}
	return p.join(p.config(), "zed", "settings.json")
}

// cline 4 shares one file with its command line and takes over what it finds
// in the older one of the VS Code extension.
func cline(p Place) string {
	const name = "cline_mcp_settings.json"
	if shared := p.join(p.Home, ".cline", "data", "settings", name); p.Exists(shared) {
		return shared
	}
	return p.join(p.appData(), "Code", "User", "globalStorage", "saoudrizwan.claude-dev", "settings", name)
}
