using System.Buffers;
using System.Text.Json;

namespace KFac.Nn;

/// <summary>Evaluations as JSON lines: one object per evaluation, with <c>step</c> and the metrics.</summary>
/// <remarks>
/// Opening writes the evaluations known so far, through a temporary file that takes the log's name once it is whole. A
/// resumed run thus cuts its log back to the checkpoint and goes on with the lines of an uninterrupted run. A line reaches
/// the operating system as soon as it is written, so a killed process leaves whole lines.
/// </remarks>
internal sealed class MetricsLog : IDisposable
{
    private readonly IReadOnlyList<string> _names;
    private readonly FileStream _file;

    /// <exception cref="IOException">The directory is missing, the name is a directory's, or the file cannot be written.</exception>
    public MetricsLog(string path, IReadOnlyList<string> names, TrainingHistory history)
    {
        _names = names;
        string directory = Path.GetDirectoryName(Path.GetFullPath(path)) ?? string.Empty;
        if (!Directory.Exists(directory))
        {
            throw new DirectoryNotFoundException($"The directory of the log {path} does not exist; create it first.");
        }

        if (Directory.Exists(path))
        {
            throw new IOException($"The log {path} is a directory; wanted the name of a file.");
        }

        AtomicFile.Write(path, file =>
        {
            foreach (Evaluation evaluation in history.Evaluations)
            {
                file.Write(Line(evaluation));
            }
        });
        _file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
    }

    public void Write(in Evaluation evaluation) => _file.Write(Line(evaluation));

    public void Dispose() => _file.Dispose();

    private ReadOnlySpan<byte> Line(in Evaluation evaluation)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteNumber("step", evaluation.Step);
            foreach (string name in _names)
            {
                json.WriteNumber(name, evaluation.Metrics.Get(name));
            }

            json.WriteEndObject();
        }

        buffer.Write("\n"u8);
        return buffer.WrittenSpan;
    }
}
