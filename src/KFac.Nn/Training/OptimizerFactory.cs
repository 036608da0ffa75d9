using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Makes the engine's optimizer from a run's settings.</summary>
internal static class OptimizerFactory
{
    public static IOptimizer Create(Device device, Network network, OptimizerSettings settings, ulong seed) => settings.Kind switch
    {
        OptimizerKind.Kfac or OptimizerKind.Foof => new KfacOptimizer(device, network, network.Parameters, Kfac(settings, seed)),
        OptimizerKind.Sgd or OptimizerKind.Nesterov => new SgdOptimizer(device, network.Parameters, new SgdOptions
        {
            Momentum = settings.Momentum,
            WeightDecay = settings.WeightDecay,
            Nesterov = settings.Kind == OptimizerKind.Nesterov,
        }),
        OptimizerKind.AdamW or OptimizerKind.NAdamW => new AdamOptimizer(device, network.Parameters, new AdamOptions
        {
            Beta1 = settings.Momentum,
            WeightDecay = settings.WeightDecay,
            Nesterov = settings.Kind == OptimizerKind.NAdamW,
        }),
        _ => throw new ArgumentException($"The optimizer is {settings.Kind}; wanted one of {string.Join(", ", OptimizerSettings.Names)}."),
    };

    private static KfacOptions Kfac(OptimizerSettings settings, ulong seed)
    {
        bool forwardOnly = settings.Kind == OptimizerKind.Foof;
        return new KfacOptions
        {
            Kind = forwardOnly ? CurvatureKind.ForwardOnly : settings.Curvature,
            Style = forwardOnly ? DampingStyle.InputOnly : settings.DampingStyle,
            Approximation = settings.Approximation,
            MovingAverage = settings.MovingAverage,
            FactorInterval = settings.FactorInterval,
            InverseInterval = settings.InverseInterval,
            UpdatesBeforeInversion = settings.UpdatesBeforeInversion,
            Samples = settings.Samples,
            Damping = settings.Damping,
            Momentum = settings.Momentum,
            WeightDecay = settings.WeightDecay,
            KlClip = settings.KlClip,
            OtherParameters = new OtherParameterOptions { Rule = settings.OtherParameters, Rate = settings.OtherRate },
            Seed = seed,
        };
    }
}
