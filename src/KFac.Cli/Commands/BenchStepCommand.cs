using System.CommandLine;
using KFac.Kernels;
using KFac.Nn;

namespace KFac.Cli;

/// <summary><c>kfac bench step WORKLOAD</c>: an SGD step, and K-FAC steps with factors and inverses every step or every tenth: with reduce and
/// expand where they differ, and elsewhere also without moving averages.</summary>
internal sealed class BenchStepCommand : BenchCommand
{
    private readonly WorkloadArguments _workload = new();

    private readonly Option<bool> _phases = new("--phases")
    {
        Description = "Also time the parts of a step: forward, backward, curvature pass, factors, inverses, precondition, update, other.",
    };

    public BenchStepCommand()
        : base("step", "Time training steps: SGD, and K-FAC with one Monte-Carlo sample.")
    {
        _workload.AddTo(this);
        Add(_phases);
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<Func<Device, BenchCase>> Cases(CommandContext context)
    {
        Workload workload = _workload.Read(context);
        TrainingProblem problem = workload.Load(null, context.Seed);
        if (workload.BatchSize > problem.CountOf(DataPart.Train))
        {
            throw new UsageException($"--batch is '{workload.BatchSize}'; wanted at most {problem.CountOf(DataPart.Train)}.");
        }

        bool phases = context.IsGiven(_phases);
        return
        [
            .. StepVariant.All(workload.SharesWeights).Select(
                variant => (Func<Device, BenchCase>)(device => new StepCase(device, workload, problem, variant, context.Seed, phases))),
        ];
    }
}
