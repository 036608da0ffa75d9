using System.Globalization;
using System.Runtime.InteropServices;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>Where and how figures were measured.</summary>
/// <param name="Processor">Model name.</param>
/// <param name="Device">Architecture, vectors, threads.</param>
/// <param name="Runtime">.NET version.</param>
/// <param name="Date">Day of the measurement, UTC.</param>
/// <param name="Command">The command line.</param>
internal sealed record BenchEnvironment(string Processor, string Device, string Runtime, string OperatingSystem, string Date, string Command)
{
    private const string ProcessorFile = "/proc/cpuinfo";

    public static BenchEnvironment Read(Device device, string command) => new(
        ReadProcessor(),
        device.Description,
        RuntimeInformation.FrameworkDescription,
        RuntimeInformation.OSDescription,
        DateTimeOffset.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
        command);

    private static string ReadProcessor()
    {
        string? line = File.Exists(ProcessorFile)
            ? File.ReadLines(ProcessorFile).FirstOrDefault(static line => line.StartsWith("model name", StringComparison.Ordinal))
            : Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER");
        return line?[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim() ?? "unknown";
    }
}
