using System.CommandLine;
using KFac.Nn;

namespace KFac.Cli;

/// <summary>A workload by name, and the size of its mini-batches.</summary>
internal sealed class WorkloadArguments
{
    private readonly Argument<string> _workload = new("WORKLOAD")
    {
        Description = "One of " + string.Join(", ", Workload.All.Select(static workload => workload.Name)) + ".",
    };

    private readonly Option<int?> _batch = OptionFactory.Count("--batch", "Examples in a mini-batch.");

    /// <summary>Declares argument and option on the command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_workload);
        command.Add(_batch);
    }

    /// <summary>The workload, with what was given in place of its own.</summary>
    /// <exception cref="UsageException">There is no such workload; the message lists all.</exception>
    public Workload Read(CommandContext context) => UsageException.Of(() =>
    {
        Workload workload = Workload.Find(context.Required(_workload));
        return workload with { BatchSize = context.Get(_batch) ?? workload.BatchSize };
    });
}
