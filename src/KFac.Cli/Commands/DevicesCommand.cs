using KFac.Kernels;
using Spectre.Console;

namespace KFac.Cli;

/// <summary><c>kfac devices</c>: the devices of this machine, and why one cannot be used.</summary>
/// <remarks>JSON: <c>{devices:[{name, description, available, reason}]}</c>; <c>reason</c> is empty where available.</remarks>
internal sealed class DevicesCommand() : KfacCommand("devices", "List the devices of this machine.")
{
    /// <inheritdoc/>
    public override int Run(CommandContext context)
    {
        var result = new DevicesResult(
            [.. Device.Enumerate().Select(static info => new DeviceResult(info.Name, info.Description, info.IsAvailable, info.Reason))]);
        context.Report(result, CliJson.Default.DevicesResult, console => Print(console, result));
        return ExitCode.Success;
    }

    private static void Print(IAnsiConsole console, DevicesResult result)
    {
        Table table = new Table().Border(TableBorder.Simple).AddColumns("device", "available", "description");
        foreach (DeviceResult device in result.Devices)
        {
            string text = device.Available ? device.Description : device.Reason;
            table.AddRow(Markup.Escape(device.Name), device.Available ? "yes" : "no", Markup.Escape(text));
        }

        console.Write(table);
    }
}

/// <summary>Result of <see cref="DevicesCommand"/>.</summary>
internal sealed record DevicesResult(IReadOnlyList<DeviceResult> Devices);

/// <summary>One device of a <see cref="DevicesResult"/>.</summary>
internal sealed record DeviceResult(string Name, string Description, bool Available, string Reason);
